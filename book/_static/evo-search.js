/* Finds sections: headings count most, then prose, then code. The index is window.evoIndex, made by evo_search.py. */
(() => {
  "use strict";

  const TITLE = 6, PAGE = 1, ALSO = 2, PROSE = 1.5, CODE = 0.12, ALIKE = 0.5, LISTED = 0.6, APART = /^(claims|exercises?|references|the card)/i, AT_MOST = 40;

  const fold = (text) => text.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase();

  function stem(word) {
    if (word.length < 4) return word;
    let cut = word.replace(/('s|s)$/, "").replace(/(ie|y)$/, "i");
    if (cut.length > 5) cut = cut.replace(/(ings?|ed|er)$/, "");
    return cut.length > 3 ? cut.replace(/e$/, "") : cut;
  }

  const terms = (text) => (fold(text).match(/[\p{L}\p{N}]+/gu) || []).map(stem);

  function prepare(rows) {
    const sections = rows.map(([page, anchor, book, title, prose, code, also]) => {
      const fields = [[title, TITLE], [anchor ? book : "", PAGE], [also, ALSO], [prose, PROSE], [code, CODE]].map(([text, weight]) => {
        const counts = new Map();
        for (const term of terms(text)) counts.set(term, (counts.get(term) || 0) + 1);
        return { counts, weight, length: text.length };
      });
      return { page, anchor, book, title, prose, code, fields, folded: fold(title + " \n " + also + " \n " + prose) };
    });
    return sections;
  }

  function frequency(section, term) {
    let sum = 0;
    for (const { counts, weight, length } of section.fields) {
      let n = counts.get(term) || 0;
      if (!n && term.length > 3) for (const [other, k] of counts) if (other.startsWith(term)) n += k * 0.4;
      const saturated = n / (n + 0.6 + 0.9 * Math.min(5, length / 1500));
      sum += weight * saturated;
    }
    return sum;
  }

  /* A word or, for half as much, one that the book uses for it; of several words in one, as "how much", all must be there. */
  function alike(section, term, groups) {
    let best = frequency(section, term);
    for (const group of groups) {
      if (!group.some((words) => words.length === 1 && words[0] === term)) continue;
      for (const words of group) {
        if (words.length === 1 && words[0] === term) continue;
        best = Math.max(best, ALIKE * Math.min(...words.map((word) => frequency(section, word))));
      }
    }
    return best;
  }

  function search(sections, query, synonyms = []) {
    const groups = synonyms.map((group) => group.map(terms));
    const wanted = [...new Set(terms(query))], phrase = fold(query).trim();
    if (!wanted.length) return [];
    const found = sections.map((section) => ({ section, parts: wanted.map((term) => alike(section, term, groups)) }));
    const rare = wanted.map((_, i) => Math.log(1 + sections.length / (1 + found.filter((f) => f.parts[i] > CODE).length)));
    for (const one of found) {
      one.whole = one.parts.every((part) => part > 0);
      one.score = one.parts.reduce((sum, part, i) => sum + Math.sqrt(part) * rare[i], 0);
      // where something is explained comes before where it is judged, asked or listed
      if (one.section.page.endsWith("/ledger") || APART.test(one.section.title)) one.score *= LISTED;
      if (wanted.length > 1 && one.section.folded.includes(phrase)) one.score *= 1.5;
    }
    const whole = found.filter((one) => one.whole);
    const listed = whole.length ? whole : found.filter((one) => one.score > 0);
    return listed.sort((a, b) => b.score - a.score).slice(0, AT_MOST).map((one) => one.section);
  }

  /* The stretch of the text in which most of the query stands, and the places of the words in it. */
  function excerpt(text, query, synonyms = [], room = 240) {
    const wanted = new Set(terms(query)), at = [];
    for (const group of synonyms.map((one) => one.map(terms))) {
      if (group.some((words) => words.length === 1 && wanted.has(words[0]))) for (const words of group) if (words.length === 1) wanted.add(words[0]);
    }
    for (const m of text.matchAll(/[\p{L}\p{N}]+/gu)) {
      const term = stem(fold(m[0]));
      if ([...wanted].some((w) => term === w || (w.length > 3 && term.startsWith(w)))) at.push([m.index, m.index + m[0].length, term]);
    }
    if (!at.length) return null;
    let best = at[0], most = 0;
    for (const one of at) {
      const kinds = new Set(at.filter((o) => o[0] >= one[0] && o[1] <= one[0] + room * 0.7).map((o) => o[2])).size;
      if (kinds > most) [best, most] = [one, kinds];
    }
    let from = Math.max(0, best[0] - room * 0.3), to = Math.min(text.length, from + room);
    if (from) from = text.indexOf(" ", from) + 1;
    if (to < text.length) to = text.lastIndexOf(" ", to);
    if (to <= best[0]) to = Math.min(text.length, best[1] + room * 0.5);
    const parts = [];
    let here = from;
    for (const [a, b] of at) {
      if (a < here || b > to) continue;
      parts.push([text.slice(here, a), false], [text.slice(a, b), true]);
      here = b;
    }
    parts.push([text.slice(here, to), false]);
    return { parts, before: from > 0, after: to < text.length };
  }

  function show(box, found, query, synonyms) {
    const list = document.createElement("ol");
    list.className = "evo-found";
    for (const section of found) {
      const item = document.createElement("li"), link = document.createElement("a"), where = document.createElement("span");
      link.href = section.page + ".html" + (section.anchor ? "#" + section.anchor : "");
      link.textContent = section.title;
      where.className = "evo-found-page";
      where.textContent = section.anchor ? section.book : "";
      item.append(link, where);
      let told = excerpt(section.prose, query, synonyms), code = false;
      const coded = terms(query).every((term) => section.fields[4].counts.has(term)); // else it was found by another word for it
      if (!told && coded && (told = excerpt(section.code, query))) code = true;
      if (!told) told = { parts: [[section.prose.slice(0, 200), false]], before: false, after: section.prose.length > 200 };
      const text = document.createElement(code ? "code" : "p");
      if (told.before) text.append("… ");
      for (const [words, hit] of told.parts) {
        if (!hit) text.append(words);
        else text.append(Object.assign(document.createElement("mark"), { textContent: words }));
      }
      if (told.after) text.append(" …");
      item.append(text);
      list.append(item);
    }
    const said = document.createElement("p");
    said.className = "evo-found-count";
    said.setAttribute("role", "status");
    said.textContent = found.length ? `${found.length} section${found.length > 1 ? "s" : ""} for “${query}”` : `Nothing is found for “${query}”. Try fewer or other words.`;
    box.replaceChildren(said, list);
  }

  function start() {
    const query = (new URLSearchParams(location.search).get("q") || "").trim(), box = document.getElementById("search-results");
    if (!box) return;
    for (const field of document.querySelectorAll("input[name=q]")) field.value = query;
    const synonyms = window.evoSynonyms || [];
    if (query) show(box, search(prepare(window.evoIndex || []), query, synonyms), query, synonyms);
  }
  window.evoSearch = { prepare, search, excerpt, stem };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
