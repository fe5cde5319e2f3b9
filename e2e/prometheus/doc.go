// Package prometheus tests what the prober exports on a real Prometheus and a real
// Alertmanager: the rules, the dashboards' queries, and the queries of the
// documents. It is a module of its own, so that their many dependencies stay out
// of the prober's.
package prometheus
