"""Every key that Darknet reads is known: typed, without effect for a reason, not trained, or refused for a reason."""

from __future__ import annotations

import pytest

from csptrain.cfg.fields import keys
from csptrain.errors import CfgError
from csptrain.layers.base import COMMON_INERT
from csptrain.layers.contents import BY_NAME
from csptrain.net import INERT, NOT_TRAINED, Net
from tests.plans import planned

NET = (
    "batch subdivisions width height channels inputs max_batches time_steps track augment_speed "
    "sequential_subdivisions learning_rate learning_rate_min momentum decay adam B1 B2 eps policy power burn_in step "
    "scale steps scales seq_scales gamma sgdr_cycle sgdr_mult max_crop min_crop flip blur gaussian_noise mixup cutmix "
    "mosaic mosaic_bound letter_box angle aspect saturation exposure hue resize_step label_smooth_eps ema_alpha "
    "loss_scale try_fix_nan weights_reject_freq equidistant_point badlabels_rejection_percentage "
    "num_sigmas_reject_badlabels attention adversarial_lr unsupervised contrastive contrastive_jit_flip "
    "contrastive_color use_cuda_graph dynamic_minibatch optimized_memory workspace_size_limit_MB max_chart_loss "
    "show_receptive_field"
)
ANY = "stopbackward clip onlyforward dont_update burnin_update train_only_bn dontload dontloadscales learning_rate"
YOLO = (
    "classes num mask anchors max map random jitter resize ignore_thresh truth_thresh iou_thresh iou_loss "
    "iou_thresh_kind iou_normalizer obj_normalizer cls_normalizer delta_normalizer max_delta scale_x_y "
    "objectness_smooth label_smooth_eps counters_per_class nms_kind beta_nms"
)
LAYERS = {
    "convolutional": (
        "filters groups size stride stride_x stride_y dilation pad padding activation batch_normalize cbn antialiasing "
        "share_index assisted_excitation binary xnor bin_output sway rotate stretch stretch_sway flipped dot angle "
        "grad_centr reverse coordconv stream wait_stream"
    ),
    "local": "filters size stride pad activation",
    "connected": "output activation batch_normalize",
    "normalization": "alpha beta kappa size",
    "activation": "activation",
    "maxpool": "size stride stride_x stride_y padding maxpool_depth out_channels antialiasing maxpool_zero_nonmax",
    "local_avgpool": "size stride stride_x stride_y padding",
    "route": "layers groups group_id stream wait_stream",
    "shortcut": "from activation weights_type weights_normalization",
    "upsample": "stride scale",
    "reorg": "stride reverse",
    "reorg3d": "stride reverse",
    "scale_channels": "from scale_wh activation",
    "sam": "from activation",
    "implicit": "filters atoms mean std",
    "crop": "crop_height crop_width flip angle saturation exposure noadjust shift",
    "dropout": "probability dropblock dropblock_size_rel dropblock_size_abs",
    "softmax": "groups temperature tree spatial noloss",
    "cost": "type scale ratio",
    "yolo": f"{YOLO} new_coords focal_loss show_details track_history_size sim_thresh dets_for_track dets_for_show "
    "track_ciou_norm embedding_layer",
    "region": (
        "coords classes num max log sqrt softmax focal_loss jitter resize rescore thresh classfix absolute random "
        "coord_scale object_scale noobject_scale class_scale bias_match tree map anchors"
    ),
}


def test_the_keys_of_net() -> None:
    assert set(NET.split()) - set(keys(Net)) - set(INERT) - set(NOT_TRAINED) == set()


@pytest.mark.parametrize("kind", LAYERS)
def test_the_keys_of_a_layer(kind: str) -> None:
    layer = BY_NAME[kind]
    known = {*keys(layer), *COMMON_INERT, *layer.inert, *layer.untrained, *layer.refused}
    assert {*LAYERS[kind].split(), *ANY.split()} - known == set()
    assert all(reason for reason in (*layer.inert.values(), *layer.refused.values()))


CONV = "[convolutional]\nfilters=4\nsize=3\npad=1\n"
DROPOUT = "[dropout]\nprobability=.5\n"


@pytest.mark.parametrize(
    ("section", "key"),
    [*((CONV, key) for key in sorted(BY_NAME["convolutional"].untrained)), (DROPOUT, "dropblock")],
)
def test_what_acts_in_training_only_runs_and_is_refused_there(section: str, key: str) -> None:
    planned(f"{section}{key}=0\n").refuse_training()
    graph = planned(f"{section}{key}=1\n")
    line = section.count("\n") + 6
    if key != "cbn":  # read: it means batch normalization at inference
        assert [(finding.line, key in finding.message) for finding in graph.findings] == [(line, True)]
    with pytest.raises(CfgError, match=rf"x\.cfg:{line}: .*{key}=1 is not supported in training"):
        graph.refuse_training()


def test_a_typed_key_without_effect_is_said_when_it_differs_from_the_default() -> None:
    assert planned(CONV, net="B1=0.9\neps=.000001").findings == ()
    (finding,) = planned(CONV, net="B1=0.8").findings
    assert finding.message == "B1= has no effect here" and finding.hint == "it belongs to adam=1"
