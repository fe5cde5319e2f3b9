// Package collector turns what the prober sees into Prometheus metrics, a file
// for each subject.
package collector

// The classic buckets are finer than vLLM's own where objectives lie (vLLM has
// none between 100 and 250 ms). They are for those who do not scrape native
// histograms, which carry the precision: each bucket of these is at most 4.4%
// wider than the one before.
var (
	ttftBuckets = []float64{
		.001, .0025, .005, .01, .02, .03, .04, .05, .06, .08, .1, .12, .15, .2, .25, .3, .4, .5, .75,
		1, 1.5, 2, 3, 5, 7.5, 10, 20, 30, 60, 120,
	}
	tokenBuckets = []float64{
		.001, .0025, .005, .0075, .01, .015, .02, .025, .03, .04, .05, .06, .075, .1, .125, .15, .2, .3, .5, .75,
		1, 2.5,
	}
	e2eBuckets = []float64{
		.05, .1, .25, .5, .75, 1, 1.5, 2, 3, 4, 5, 7.5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300,
	}
	lagBuckets = []float64{
		.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1,
	}
)

// nativeFactor gives native histograms of schema 4: 16 buckets an octave.
// maxNativeBuckets holds 25 octaves of them, more than lie between the shortest
// and the longest latency there is, so that resolution is never given up.
const (
	nativeFactor     = 1.05
	maxNativeBuckets = 400
)
