// Package simulator is a fleet of vLLM-shaped replicas whose truth is known: a
// continuous-batching engine with a capacity in closed form, vLLM's endpoints,
// metrics and streams, every fault that a prober must tell apart, and a server of
// fixed latencies.
package simulator
