"""R: every reconstruction by name. A member maps a Measurement to estimates (B, 1, H, W)."""

from tune_ks.model.reconstructions import hqs_net, unet, zero_filled

RECONSTRUCTIONS = {"zero_filled": zero_filled.build, "unet": unet.build, "hqs_net": hqs_net.build}
