"""Makes the configuration and the tokenizer of a tiny model in the folder that is named by the first argument.

There are no weights: vLLM fills in random ones. The tokenizer is learned from the documentation that comes with Python, so
nothing is downloaded. Its tokens are pieces of bytes, and the last of them lie above 4000, where the prober's prompts end.
"""

import sys
from pydoc_data.topics import topics

from tokenizers import Tokenizer, decoders, pre_tokenizers, trainers
from tokenizers.models import BPE
from transformers import LlamaConfig, PreTrainedTokenizerFast

VOCABULARY = 4096
BEGIN, END = "<begin>", "<end>"
CHAT = "{% for m in messages %}{{ m.role }}> {{ m.content }}\n{% endfor %}assistant> "


def tokenizer() -> PreTrainedTokenizerFast:
    learned = Tokenizer(BPE())
    learned.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learned.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[BEGIN, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    learned.train_from_iterator([topics[name] for name in sorted(topics)], trainer)
    if learned.get_vocab_size() != VOCABULARY:
        sys.exit(f"the text gives {learned.get_vocab_size()} tokens, not {VOCABULARY}")
    return PreTrainedTokenizerFast(
        tokenizer_object=learned, bos_token=BEGIN, eos_token=END, chat_template=CHAT
    )


def model() -> LlamaConfig:
    return LlamaConfig(
        architectures=["LlamaForCausalLM"],
        vocab_size=VOCABULARY,
        num_hidden_layers=2,
        hidden_size=256,
        intermediate_size=512,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=4096,
        bos_token_id=0,
        eos_token_id=1,
        dtype="bfloat16",
    )


if __name__ == "__main__":
    folder = sys.argv[1]
    tokenizer().save_pretrained(folder)
    model().save_pretrained(folder)
