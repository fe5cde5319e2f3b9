// Package replica looks at what vLLM replicas say of themselves on their own
// /metrics while the prober measures: how many requests run and wait, how full
// the KV cache is, what they have counted. From that it tells whether the
// declared batch size is in force, whether others used the replicas during a
// step, and when the prober has to leave them alone.
//
// The parts, from the bytes up:
//
//	Sample    one reading of one replica            sample.go, client.go
//	verdicts  pure functions of samples             inforce.go, reconcile.go, guard.go
//	Watcher   reads replicas before and in a step   watcher.go, watching.go
//
// The prober knows the Watcher as its own interface and nothing of the rest.
package replica
