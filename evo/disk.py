"""Files are written whole or not at all, and a full disk is called a full disk."""
import errno
import os
import re

FULL = (errno.ENOSPC, errno.EDQUOT)
REFUSED = (*FULL, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
FULL_IN_WORDS = re.compile(r"No space left on device|enough free space|Disk quota exceeded")  # of apt-get and dpkg-deb


def disk_error(error):
    """The OSError of a full or locked disk behind an error, or None: libraries wrap it, programs put it into words."""
    seen = []
    while error is not None and error not in seen:
        if isinstance(error, OSError) and error.errno in (REFUSED if not seen else REFUSED[:3]):  # a firewall, too, says EPERM
            return error
        if FULL_IN_WORDS.search(str(error)):
            return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        seen.append(error)
        error = error.__cause__ or error.__context__
    return None


def is_full(error):
    return isinstance(error, OSError) and error.errno in FULL


def why(error):
    """An OSError in words."""
    return "the disk is full" if is_full(error) else error.strerror or str(error)


def write_bytes(path, data):
    """Written aside, flushed to the disk and renamed: whoever reads sees the old file or the whole new one."""
    partial = path.with_name(path.name + ".tmp")
    try:
        with open(partial, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        try:
            partial.unlink(missing_ok=True)  # half a file would only keep the disk full
        except OSError:
            pass
        raise OSError(error.errno, why(error), str(path)) from error
