package results

// ManyRuns fills a folder with runs of four steps, of the probes p and p2 in turn.
var ManyRuns = manyRuns
