"""The embedded provider; what answers for it is `upstream.echo`."""

from llm_gateway.providers.rows import Row, Usual

ROW = Row(apis={}, lists=(), local=True, usual=Usual(keyless=True, shown={}), rank=25)
