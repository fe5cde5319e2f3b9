package alerts

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// judge says for each run whether it would be alerted, by the thresholds of the
// settings and by the rules' definitions in docs/alerts.md, for runs at an even
// pace: so many a day.
func judge(s Settings, runs []float64, aDay int) []bool {
	quantile := func(sorted []float64, q float64) float64 {
		at := q * float64(len(sorted)-1)
		low := int(at)
		high := min(low+1, len(sorted)-1)
		return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
	}
	alerted := make([]bool, len(runs))
	for i := range runs {
		week, offset := 7*aDay, aDay
		past := runs[max(0, i-offset-week):max(0, i-offset)]
		if len(past)-1 < s.BaselineRuns {
			past = runs[max(0, i-week):i]
		}
		n := len(past) - 1
		if n < s.BaselineRuns {
			continue
		}
		sorted := slices.Sorted(slices.Values(past))
		median := quantile(sorted, 0.5)
		spread := (quantile(sorted, 0.9) - median) / 1.2816
		limit := max(median*(1+s.MinChange), median+s.Sigmas*(1+s.SmallSample/float64(n))*spread)
		alerted[i] = runs[i] > limit && runs[i-1] > limit
	}
	return alerted
}

// The thresholds are a compromise between false alerts and missed ones. What noise
// from run to run they bear is known here; that the rules do the same is for
// the unit tests, and for the back-test on simulated engines.
func TestThresholdsBearNoise(t *testing.T) {
	const trials = 400
	s := Default()
	for _, tt := range []struct {
		name        string
		noise       float64 // standard deviation from run to run, of the mean
		aDay, runs  int
		found       float64 // share of changes by 10% that are alerted within three runs, at the least
		falseAlerts float64 // in 200 runs, at the most
	}{
		{"each hour, 1%", 0.01, 24, 100, 0.99, 0},
		{"each hour, 2%", 0.02, 24, 100, 0.95, 0.01},
		{"each hour, 3%", 0.03, 24, 100, 0.6, 0.03},
		{"each day, 1%", 0.01, 1, 30, 0.93, 0.01},
		{"each day, 3%", 0.03, 1, 30, 0.1, 0.1},
	} {
		random := rand.New(rand.NewPCG(1, 2))
		run := func() float64 { return 1 + tt.noise*random.NormFloat64() }
		found, wrong := 0, 0
		for range trials {
			var quiet, changed []float64
			for range 200 {
				quiet = append(quiet, run())
			}
			last := false
			for _, alerted := range judge(s, quiet, tt.aDay) {
				if alerted && !last {
					wrong++
				}
				last = alerted
			}
			for range tt.runs {
				changed = append(changed, run())
			}
			for range 3 {
				changed = append(changed, 1.1*run())
			}
			if slices.Contains(judge(s, changed, tt.aDay)[tt.runs:], true) {
				found++
			}
		}
		share, falseAlerts := float64(found)/trials, float64(wrong)/trials
		t.Logf("a run %s: %.3f of the changes are found, %.4f false alerts in 200 runs", tt.name, share, falseAlerts)
		if share < tt.found || falseAlerts > tt.falseAlerts {
			t.Errorf("a run %s: %.3f of the changes are found, want %g; %.4f false alerts, want %g at most", tt.name, share, tt.found, falseAlerts, tt.falseAlerts)
		}
	}
}
