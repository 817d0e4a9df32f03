"""R: every reconstruction by name. A member is built from the ``transform``; it maps a Measurement to estimates."""

from tune_ks.model.reconstructions import hqs_net, hyper_recon, unet, zero_filled

RECONSTRUCTIONS = {
    "zero_filled": zero_filled.MEMBER,
    "unet": unet.MEMBER,
    "hqs_net": hqs_net.MEMBER,
    "hyper_recon": hyper_recon.MEMBER,
}
