// Package backtest holds what the alerts would have said of simulated services
// whose truth is known: how often they cry wolf, and how soon they see a change.
//
// Runs are made by the real prober against simulated engines in synthetic time,
// told to the real collector, scraped, and judged by the real rule files at their
// own interval, with Prometheus's own storage, engine and rules.
package backtest
