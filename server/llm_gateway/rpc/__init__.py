"""The RPC chain, outermost first: errors → telemetry → auth → admission → sizes → servicer.

methods     what each method is to the links: costly, open, lasting
chain       the vocabulary: Rpc, Handler, links; errors, telemetry, auth and admission are the links
server      the seam to gRPC's Python server
service     the servicer; validation, pacing and answer are its parts
health      grpc.health.v1 and the contract's Health; reflection serves descriptors
"""
