package prober

// Observers tells several observers the same, in their order.
type Observers []Observer

// RunStarted implements Observer.
func (o Observers) RunStarted(r Run) {
	for _, each := range o {
		each.RunStarted(r)
	}
}

// Preparing implements Observer.
func (o Observers) Preparing(a Arm) {
	for _, each := range o {
		each.Preparing(a)
	}
}

// StepStarted implements Observer.
func (o Observers) StepStarted(s Step) {
	for _, each := range o {
		each.StepStarted(s)
	}
}

// RequestSent implements Observer.
func (o Observers) RequestSent(s Step) {
	for _, each := range o {
		each.RequestSent(s)
	}
}

// RequestEnded implements Observer.
func (o Observers) RequestEnded(s Step, obs *Observation) {
	for _, each := range o {
		each.RequestEnded(s, obs)
	}
}

// StepEnded implements Observer.
func (o Observers) StepEnded(r *StepResult) {
	for _, each := range o {
		each.StepEnded(r)
	}
}

// GuardTripped implements Observer.
func (o Observers) GuardTripped(t Trip) {
	for _, each := range o {
		each.GuardTripped(t)
	}
}

// RunEnded implements Observer.
func (o Observers) RunEnded(r *RunResult) {
	for _, each := range o {
		each.RunEnded(r)
	}
}

// Silent is an Observer that does nothing, to be embedded in those that are
// interested in a part.
type Silent struct{}

// RunStarted implements Observer.
func (Silent) RunStarted(Run) {}

// Preparing implements Observer.
func (Silent) Preparing(Arm) {}

// StepStarted implements Observer.
func (Silent) StepStarted(Step) {}

// RequestSent implements Observer.
func (Silent) RequestSent(Step) {}

// RequestEnded implements Observer.
func (Silent) RequestEnded(Step, *Observation) {}

// StepEnded implements Observer.
func (Silent) StepEnded(*StepResult) {}

// GuardTripped implements Observer.
func (Silent) GuardTripped(Trip) {}

// RunEnded implements Observer.
func (Silent) RunEnded(*RunResult) {}
