"""How long agents take on LLMCompiler's own questions, as ReAct, with native parallel tool calls, and as plans: `run.py` measures.

Simulated: what the model writes (a script, so this says nothing of accuracy), how fast it writes, and how long tools take. Real: the server
process, HTTP and its event stream, the parsing of what comes, the scheduling, and every value, which goes from tool to model to tool.
"""
