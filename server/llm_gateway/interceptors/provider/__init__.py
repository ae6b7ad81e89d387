"""The provider-call chain, outermost first: trace → deadline → fallback → retry → load_balance → limit → trace_attempt → caller."""
