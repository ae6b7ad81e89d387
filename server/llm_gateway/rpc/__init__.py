"""The RPC chain, outermost first: errors → telemetry → auth → admission → sizes → servicer.

`chain.py` has its vocabulary and hosts it in gRPC. What the links know of a call travels in an `Rpc`, which the servicer finds in
`chain.current`.
"""
