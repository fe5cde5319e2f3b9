package report

import "vllm_prober/prober"

// counted is a figure that a step has unless the guard aborted it.
func counted(format string, figure func(*prober.StepResult) float64) func(*prober.StepResult) string {
	return func(r *prober.StepResult) string { return shown(r.Guard == nil, format, figure(r)) }
}

// level is a mean level, summed over the replicas.
func level(of func(*prober.ReplicaResult) *prober.Level) func(*prober.StepResult) string {
	return func(r *prober.StepResult) string {
		sum, known := r.LevelOf(of)
		return shown(known, "%.1f", sum.Mean)
	}
}

func kvCachePercent(r *prober.StepResult) string {
	usage, known := r.KVCacheUsage()
	return shown(known, "%.0f", usage*100)
}

// replicaNotes says in words what a reader has to know of what the replicas said.
func (s speaker) replicaNotes(r *prober.StepResult) (notes []string) {
	if inForce, _ := r.InForce(); inForce.Verdict == prober.NotInForce {
		notes = append(notes, s.say("note.not_in_force", values{"detail": s.ran([]*prober.StepResult{r})}))
	}
	if preemptions, _ := r.Preemptions(); preemptions > 0 {
		notes = append(notes, s.say("note.preempted", values{"preempted": preemptions}))
	}
	switch c := r.Reconciliation; {
	case c == nil:
	case c.Verdict == prober.ForeignTraffic:
		notes = append(notes, s.say("note.foreign", values{"requests": requests(c.ForeignRequests), "share": share(c.ForeignShare)}))
	case c.Verdict == prober.SeveralReplicas:
		notes = append(notes, s.say("note.several", values{"detail": quote(c.Detail)}))
	}
	return notes
}

// ran says from how many requests the verdict on the batch size of some steps follows.
// Where that is not recorded as figures, it is what was recorded in words.
func (s speaker) ran(steps []*prober.StepResult) string {
	verdict := inForceOf(steps)
	ran, waited, known := mostOf(steps, verdict.Verdict)
	key := "ran." + string(verdict.Verdict)
	if _, exceeded := mostRunning(steps); exceeded {
		key = "ran.too_many"
	}
	if _, has := catalogue[key]; !known || !has {
		return s.show(quote(verdict.Detail))
	}
	return s.say(key, values{"ran": ran, "waited": waited})
}

// mostOf is how many requests ran and waited at most on the replicas that have a verdict.
// It says false where one of them does not tell.
func mostOf(steps []*prober.StepResult, verdict prober.InForceVerdict) (ran, waited float64, known bool) {
	for _, s := range steps {
		for i := range s.Replicas {
			r := &s.Replicas[i]
			if r.InForce.Verdict != verdict {
				continue
			}
			if r.Running == nil || r.Waiting == nil {
				return 0, 0, false
			}
			ran, waited, known = max(ran, r.Running.Max), max(waited, r.Waiting.Max), true
		}
	}
	return ran, waited, known
}
