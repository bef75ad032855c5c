"""A real language model server: ``transformers serve`` on a tiny model of random weights.

The model has two layers and knows the bytes and a few words; it is made here in a moment. What it
says is nonsense, but it says it as every server does: token by token, over a real socket, until it
is stopped, killed, or has said as much as it was let.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.conftest import Server, free_port

NEEDED = ("torch", "transformers", "tokenizers", "accelerate", "safetensors")
TALK = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"
WIDTH, INNER, LAYERS, HEADS = 32, 64, 2, 2


def make_model(folder: Path) -> None:
    """Write a tiny Llama with its tokenizer, as ``from_pretrained`` reads them."""
    import numpy as np
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    folder.mkdir()
    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    words.train_from_iterator(["the valley of seahorses tells a story"] * 9, trainer)
    words.save(str(folder / "tokenizer.json"))
    count = words.get_vocab_size()
    ends = {"bos_token_id": 0, "eos_token_id": 1}
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": count,
        "hidden_size": WIDTH,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": HEADS,
        "max_position_embeddings": 100_000,
        "dtype": "float32",
        **ends,
    }
    tokenizer = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "chat_template": TALK,
    }
    never_enough = {"bos_token_id": 0}
    for name, content in (
        ("config", config),
        ("tokenizer_config", tokenizer),
        ("generation_config", never_enough),
    ):
        (folder / f"{name}.json").write_text(json.dumps(content))
    chance = np.random.default_rng(7)

    def weights(*shape: int) -> np.ndarray:
        return chance.normal(0, 0.2, shape).astype(np.float32)

    tensors = {
        "model.embed_tokens.weight": weights(count, WIDTH),
        "lm_head.weight": weights(count, WIDTH),
        "model.norm.weight": np.ones(WIDTH, np.float32),
    }
    for number in range(LAYERS):
        layer = f"model.layers.{number}."
        for name in ("q", "k", "v", "o"):
            tensors[f"{layer}self_attn.{name}_proj.weight"] = weights(WIDTH, WIDTH)
        for name in ("gate", "up"):
            tensors[f"{layer}mlp.{name}_proj.weight"] = weights(INNER, WIDTH)
        tensors[f"{layer}mlp.down_proj.weight"] = weights(WIDTH, INNER)
        for name in ("input", "post_attention"):
            tensors[f"{layer}{name}_layernorm.weight"] = np.ones(WIDTH, np.float32)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


class ModelServer(Server):
    """The server, and what the settings call its model."""

    spec: str


@contextmanager
def served_model(folder: Path) -> Iterator[ModelServer]:
    """Make the model, serve it, and end that with the test."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed; make install EXTRAS=dev")
    weights = folder / "tiny"
    quiet = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder), "OMP_NUM_THREADS": "1"}
    make_model(weights)
    port = free_port()
    command = [str(Path(sys.executable).with_name("transformers")), "serve", str(weights)]
    place = ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    server = ModelServer([*command, *place], folder, env=quiet)
    server.spec = f"openai:{weights}@http://127.0.0.1:{port}/v1"
    health = f"http://127.0.0.1:{port}/health"
    try:
        server.wait_for(lambda: urllib.request.urlopen(health, timeout=9).close() or True)
        yield server
    finally:
        server.stop()
