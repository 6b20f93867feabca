"""Real weights in this library's own modules; nothing here is a second implementation."""

from .albert import MaskedLM as MaskedLM
from .albert import albert as albert
from .gguf import GGUF as GGUF
from .minilm import minilm as minilm
from .minilm import sentence_vectors as sentence_vectors
from .smollm2 import chat as chat
from .smollm2 import smollm2 as smollm2
from .tokenizer import Tokenizer as Tokenizer
