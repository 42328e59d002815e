"""What several suites need."""
import torch


@torch.no_grad()
def shaken(model, by=0.1):
    """The model, ready to be used, away from the zeros and ones of its start, so that every part counts."""
    for p in model.parameters():
        p.add_(by * torch.randn_like(p))
    return model.eval()
