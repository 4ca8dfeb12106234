"""Chat models: messages in, text out."""

from .base import ChatModel, ChatRequest, Message, Reply, ToolUse
from .engine_chat import EngineChat
from .http_chat import HttpChat
from .ladder import Ladder, Tier
from .open import open_chat
from .recorded import RecordedChat
from .scripted import ScriptedChat

__all__ = [
    "ChatModel",
    "ChatRequest",
    "EngineChat",
    "HttpChat",
    "Ladder",
    "Message",
    "RecordedChat",
    "Reply",
    "ScriptedChat",
    "Tier",
    "ToolUse",
    "open_chat",
]
