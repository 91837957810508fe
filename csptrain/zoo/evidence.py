"""How sure it is that a cfg is the paper's network, in the words of the cfg's header and of the tables.

From best to weakest: public (layers of a public cfg), exact (nothing left to choose), strong (one rule meets many
figures), good (the one simple network that meets its figures), candidate (one of several that would).
"""

from __future__ import annotations

PUBLIC = "public: layer numbers and shapes are those of the public cfg, its weights fit"
PELEENET = "exact: PeleeNet's paper; both costs are met"
SPARSE = "exact: SparseNet's rule on PeleeNet; both costs are met"
GROUPED = "exact in BFLOPs, the only figure printed: groups of 8 input channels"
CSP_PELEENET = "strong: there is no published cfg; one rule meets the BFLOPs of all partial networks of Table 1"
SQUEEZED = "good: place and reduction of the squeeze-and-excitation follow from #Parameter of two rows"
CSP_PELEENET_REFERENCE = "good: the one network by CSPPeleeNet's rule that meets both costs"
CSP_DENSENET_REFERENCE = "candidate: the costs fix the sum of each stage, several wirings have it"
RESNET10 = "exact: both costs are met; shortcuts without projection, as in Darknet's ResNets"
CSP_RESNET10 = "candidate: the one of 80,000 variants that meets both costs"
RESNEXT50 = "exact: both costs are met; shortcuts without projection, as in Darknet's ResNeXt-152"
CSP_RESNEXT50 = "the backbone of the public csresnext50-panet-spp; weights and BFLOPs are those printed"
CSP_RESNET50 = "strong: CSPResNeXt-50's rule with ResNet's blocks meets its public #Parameter"
CSP_DEEPER = "by the rule of CSPResNet-50: no figure of it is printed"
CSP_DARKNET53 = "public: the layers of the public yolov4's backbone with leaky activations; #Parameter is met"
ELASTIC = "strong: #Parameter and BFLOPs of the public cfg are met, the order of its layers is not known"
DENSENET201_ELASTIC = "exact but for upsampling to the nearest pixel; its counting was found together with the figure"
CSP_DENSENET201_ELASTIC = "candidate, unconfirmed: no network by the paper's rule meets both costs"
DARKNET_REFERENCE = "public: weights of the public cfg fit; it averages, then classifies, as the printed BFLOPs say"
MOBILENET_V2 = "strong: both public costs in Darknet are met"
