"""Recurrent layers: sequences in a mini-batch, the equations step by step, storage, training, and mistakes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from csptrain.errors import CfgError, CspError
from csptrain.layers.recurrent import RecurrentModule
from csptrain.layers.target import NoEquivalent, Target
from csptrain.network import Network
from tests.plans import built, planned, random_images

STEPS = 3
IMAGE = (2, 4, 5)
NET = f"time_steps={STEPS}\n"
LAYERS = {
    "rnn": "[rnn]\noutput=5\nhidden=4\nactivation=tanh\n",
    "gru": "[gru]\noutput=5\n",
    "lstm": "[lstm]\noutput=5\n",
    "crnn": "[crnn]\noutput=5\nhidden=4\npad=1\nactivation=leaky\n",
    "conv_lstm": "[conv_lstm]\noutput=5\npad=1\n",
    "peephole": "[conv_lstm]\noutput=5\npad=1\npeephole=1\nlstm_activation=leaky\n",
    "bottleneck": "[conv_lstm]\noutput=2\npad=1\nbottleneck=1\nshortcut=1\nactivation=leaky\n",
    "history": "[history]\nhistory_size=2\n",
}


def parts_of(network: Network) -> dict[str, Callable[[Tensor], Tensor]]:
    module = network.layers[0]
    assert isinstance(module, RecurrentModule)
    return dict(module.parts.items())


def sequence(network: Network, count: int = 1, seed: int = 3) -> Tensor:
    return random_images(network, STEPS * count, seed)


@pytest.mark.parametrize("text", [*LAYERS.values(), "[rnn]\noutput=5\nhidden=4\nbatch_normalize=1\nshortcut=1\n"])
def test_rows_of_a_mini_batch_are_time_major(text: str) -> None:
    network = built(text, IMAGE, NET)
    first, second = sequence(network, seed=3), sequence(network, seed=4)
    with torch.no_grad():
        apart = [network(first)[0], network(second)[0]]
        together = network(torch.stack((first, second), 1).flatten(0, 1))[0]
    torch.testing.assert_close(together[0::2], apart[0])
    torch.testing.assert_close(together[1::2], apart[1])


@pytest.mark.parametrize("name", LAYERS)
def test_the_past_counts_and_the_future_does_not(name: str) -> None:
    network = built(LAYERS[name], IMAGE, NET)
    x = sequence(network)
    with torch.no_grad():
        before = network(x)[0]
        changed = network(torch.cat((x[:1], x[1:2] + 1, x[2:])))[0]
        again = network(x)[0]
    torch.testing.assert_close(again, before, rtol=0, atol=0)
    torch.testing.assert_close(changed[0], before[0])
    assert (changed[1] - before[1]).abs().max() > 1e-4
    assert (changed[2] - before[2]).abs().max() > 1e-4


def test_rnn_step_by_step() -> None:
    network = built(LAYERS["rnn"] + "logistic=1\nshortcut=1\n", IMAGE, NET)
    parts, x = parts_of(network), sequence(network)
    state, wanted = torch.zeros(1, 4, 1, 1), []
    with torch.no_grad():
        for step in x:
            own = parts["self"](state)
            assert own.min() > 0, "the state's own part is logistic"
            state = parts["input"](step[None]) + own + state
            wanted.append(parts["output"](state))
        torch.testing.assert_close(network(x)[0], torch.cat(wanted))


def test_a_peephole_looks_at_the_old_cell_and_at_the_new_one() -> None:
    network = built(LAYERS["peephole"], IMAGE, NET)
    parts, x = parts_of(network), sequence(network)
    leaky = torch.nn.functional.leaky_relu
    state = cell = torch.zeros(1, 5, 4, 5)
    wanted = []
    with torch.no_grad():
        for step in x:
            f, i, g, o = (parts[f"w{gate}"](state) + parts[f"u{gate}"](step[None]) for gate in "figo")
            cell = (f + parts["vf"](cell)).sigmoid() * cell + (i + parts["vi"](cell)).sigmoid() * leaky(g, 0.1)
            state = (o + parts["vo"](cell)).sigmoid() * leaky(cell, 0.1)
            wanted.append(state)
        torch.testing.assert_close(network(x)[0], torch.cat(wanted))


def test_a_bottleneck_joins_state_and_input_and_half_of_it_passes_by() -> None:
    network = built(LAYERS["bottleneck"], IMAGE, NET)
    parts, x = parts_of(network), sequence(network)
    state = cell = torch.zeros(1, 2, 4, 5)
    wanted = []
    with torch.no_grad():
        for step in x:
            joined = parts["wf"](torch.cat((state, step[None]), 1)).tanh()
            f, i, g, o = (parts[f"u{gate}"](joined) for gate in "figo")
            cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
            state = o.sigmoid() * cell.tanh()
            wanted.append(torch.cat((state[:, :1] + joined[:, :1], state[:, 1:]), 1))
        torch.testing.assert_close(network(x)[0], torch.cat(wanted))


def test_a_cell_stays_within_its_limit() -> None:
    network = built("[conv_lstm]\noutput=5\npad=1\nstate_constrain=.1\nlstm_activation=linear\n", IMAGE, NET)
    free = built("[conv_lstm]\noutput=5\npad=1\nstate_constrain=0\nlstm_activation=linear\n", IMAGE, NET)
    x = 50 * sequence(network)
    with torch.no_grad():
        limited, unlimited = network(x)[0], free(x)[0]
    torch.testing.assert_close(limited[:1], unlimited[:1])  # the limit acts between steps
    assert limited[2].abs().max() < unlimited[2].abs().max()


def test_history_puts_the_newest_first() -> None:
    network = built("[history]\nhistory_size=3\n", IMAGE, NET)
    x = sequence(network)
    out = network(x)[0]
    none = torch.zeros_like(x[0])
    torch.testing.assert_close(out[0], torch.cat((x[0], none, none)), rtol=0, atol=0)
    torch.testing.assert_close(out[2], torch.cat((x[2], x[1], x[0])), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("rnn", "input self output"),
        ("gru", "input_z input_r input_h state_z state_r state_h"),
        ("lstm", "wf wi wg wo uf ui ug uo"),
        ("crnn", "input self output"),
        ("conv_lstm", "wf wi wg wo uf ui ug uo"),
        ("peephole", "vf vi vo wf wi wg wo uf ui ug uo"),
        ("bottleneck", "wf uf ui ug uo"),
        ("history", ""),
    ],
)
def test_stored_in_darknets_order(name: str, parts: str) -> None:
    network = Network(planned(LAYERS[name], IMAGE, NET))
    (stored,) = network.stored()
    assert [(item.part, item.name) for item in stored] == [
        (part, kind) for part in parts.split() for kind in ("biases", "weights")
    ]
    assert sum(item.tensor.numel() for item in stored) == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("text", [LAYERS[name] for name in LAYERS if name != "history"])
def test_every_weight_learns_through_time(text: str) -> None:
    network = built(text + "batch_normalize=1\n", IMAGE, NET).train()
    x = sequence(network, 4)
    network(x)[0].square().sum().backward()
    for stored in network.stored()[0]:
        if stored.name == "weights":
            gradient = stored.tensor.grad
            assert gradient is not None and gradient.isfinite().all() and gradient.abs().max() > 0, stored.part


def test_time_normalizer_fades_the_gradient_of_earlier_steps_only() -> None:
    slopes = []
    for factor in ("1", ".5", "0"):
        network = built(f"[conv_lstm]\noutput=5\npad=1\ntime_normalizer={factor}\n", IMAGE, NET)
        x = sequence(network).requires_grad_()
        out = network(x)[0]
        out[2].sum().backward()
        assert x.grad is not None
        slopes.append(x.grad)
        torch.testing.assert_close(out, built("[conv_lstm]\noutput=5\npad=1\n", IMAGE, NET)(x)[0])
    torch.testing.assert_close(slopes[1][2], slopes[0][2])
    assert (slopes[0][0] - slopes[1][0]).abs().max() > 0
    assert slopes[2][0].abs().max() > 0, "the cell still carries it"


def test_a_mini_batch_holds_whole_sequences() -> None:
    network = built(LAYERS["gru"], IMAGE, NET)
    assert planned(LAYERS["gru"], IMAGE, f"{NET}batch=8\nsubdivisions=2\n").net.mini_batch == 4 * STEPS
    with torch.no_grad():
        single = network(random_images(network, 2))[0]
        padded = network(torch.cat((random_images(network, 2), torch.zeros(4, *IMAGE))))[0]
    torch.testing.assert_close(single, padded[:2])
    with pytest.raises(CspError, match="4 rows are no whole number of sequences of time_steps=3"):
        network(random_images(network, 4))
    with pytest.raises(CspError, match="2 rows"):
        network.train()(random_images(network, 2))


def test_a_vector_is_the_input_of_a_network_of_letters() -> None:
    graph = planned("[rnn]\noutput=7\nhidden=4\n[softmax]\n", (0, 0, 0), "inputs=256\ntime_steps=2\n")
    assert str(graph.net.shape) == "1 x 1 x 256" and graph.nodes[0].output.outputs == 7
    assert Network(graph)(torch.rand(4, 256, 1, 1))[0].shape == (4, 7, 1, 1)
    with pytest.raises(CfgError, match=r"x\.cfg:5: inputs=2000000 in \[net\] \(legal: 1\.\.1048576"):
        planned("[rnn]\n", (0, 0, 0), "inputs=2000000")
    with pytest.raises(CfgError, match="width=0"):
        planned("[rnn]\n", (3, 8, 0), "inputs=256")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[crnn]\noutput=2\nhidden=2\n", "layer 0 .crnn.: makes a map of 5x4 one of 3x2.*use stride=1 and an odd size"),
        ("[conv_lstm]\noutput=2\nsize=2\npad=1\n", "makes a map of 5x4 one of 6x5"),
        ("[conv_lstm]\noutput=3\npad=1\nbottleneck=1\n", "bottleneck=1 needs output=2"),
        ("[conv_lstm]\noutput=2\npad=1\nstate_constrain=-1\n", "state_constrain=-1 is negative"),
        ("[crnn]\noutput=3\nhidden=2\npad=1\ngroups=2\n", "groups"),
        ("[crnn]\noutput=2\nhidden=2\npad=1\nxnor=1\n", "xnor=1 of .crnn. is not supported"),
        ("[rnn]\nhidden=0\n", "hidden=0 must be 1 or more"),
        ("[rnn]\nhidden=2000000\n", "more than 1048576"),
        ("[gru]\noutput=2000000\n", "output=2000000 is more than"),
        ("[lstm]\noutput=-1\n", "output=-1 must be"),
        ("[history]\nhistory_size=0\n", "history_size=0 must be"),
    ],
)
def test_mistakes(text: str, words: str) -> None:
    with pytest.raises(CfgError, match=words):
        planned(text, IMAGE, NET)


def test_shortcut_without_bottleneck_is_said() -> None:
    (finding,) = planned("[conv_lstm]\noutput=2\npad=1\nshortcut=1\n", IMAGE, NET).findings
    assert finding.message == "shortcut= has no effect" and finding.line == 10


def test_sequences_are_not_trained_yet() -> None:
    with pytest.raises(CfgError, match="time_steps=3 of .net.: there is no training on sequences yet"):
        planned(LAYERS["gru"], IMAGE, NET).refuse_training()


def test_opencv_has_none() -> None:
    network = built(LAYERS["lstm"], IMAGE, NET)
    target = Target(network.graph.net.shape)
    with pytest.raises(NoEquivalent):
        network.graph.nodes[0].layer.lower(target, [target.image], network.layers[0])


def test_cost_is_that_of_the_parts() -> None:
    rnn = planned("[rnn]\noutput=7\nhidden=5\n", IMAGE).nodes[0].cost
    assert (rnn.darknet, rnn.operations) == (None, 2 * (40 * 5 + 5 * 5 + 5 * 7))
    crnn = planned("[crnn]\noutput=7\nhidden=5\npad=1\n", IMAGE).nodes[0].cost
    assert (crnn.darknet, crnn.operations) == (2 * 9 * 20 * (2 * 5 + 5 * 5 + 5 * 7), 0)
