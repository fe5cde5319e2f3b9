// Package prober makes measurements: it offers an open-loop load to the arms of
// a probe, step by step, and times every streamed answer.
//
// The parts, from the outside in:
//
//	Prober   runs of one probe           prober.go, preflight.go
//	step     one request rate held       step.go, validity.go, result.go
//	Arrivals when requests are intended  pacer.go
//	client   one request and its clock   client.go, transport.go, watchdog.go
//	stream   SSE events and chunks       sse.go, chunk.go
//
// It knows neither Prometheus nor the web: what it sees it tells an Observer.
package prober
