"""The table of contents: every section kind that can stand below [net], and the class that reads it."""

from __future__ import annotations

from csptrain.layers.activation import ActivationLayer
from csptrain.layers.attention import Sam, ScaleChannels
from csptrain.layers.base import Layer
from csptrain.layers.batchnorm import StandaloneBatchNorm
from csptrain.layers.contrastive import Contrastive
from csptrain.layers.conv_lstm import ConvLstm
from csptrain.layers.convolutional import Convolutional
from csptrain.layers.crop import Crop
from csptrain.layers.dense import Connected, Dropout
from csptrain.layers.detection import Detection
from csptrain.layers.empty import Empty
from csptrain.layers.gaussian_yolo import GaussianYolo
from csptrain.layers.gru import Gru
from csptrain.layers.history import History
from csptrain.layers.implicit import Implicit
from csptrain.layers.local import Local
from csptrain.layers.lstm import Lstm
from csptrain.layers.normalization import Normalization
from csptrain.layers.pooling import AvgPool, LocalAvgPool, MaxPool
from csptrain.layers.region import Region
from csptrain.layers.resample import Reorg, Reorg3d, Upsample
from csptrain.layers.rnn import Crnn, Rnn
from csptrain.layers.route import Route
from csptrain.layers.shortcut import Shortcut
from csptrain.layers.softmax import CostLayer, Softmax
from csptrain.layers.yolo import Yolo

KINDS: tuple[type[Layer], ...] = (
    Convolutional,
    Local,
    Connected,
    StandaloneBatchNorm,
    Normalization,
    ActivationLayer,
    MaxPool,
    LocalAvgPool,
    AvgPool,
    Route,
    Shortcut,
    Upsample,
    Reorg,
    Reorg3d,
    ScaleChannels,
    Sam,
    Implicit,
    Rnn,
    Gru,
    Lstm,
    Crnn,
    ConvLstm,
    History,
    Crop,
    Dropout,
    Empty,
    Softmax,
    CostLayer,
    Yolo,
    GaussianYolo,
    Detection,
    Contrastive,
    Region,
)
BY_NAME: dict[str, type[Layer]] = {name: kind for kind in KINDS for name in (kind.kind, *kind.aliases)}
