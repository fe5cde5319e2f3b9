package schedule

// Reason is why a start was skipped.
type Reason string

// The reasons.
const (
	// Blackout: the start lies in one.
	Blackout Reason = "blackout"
	// Budget: the day's budget does not bear the run's first step.
	Budget Reason = "budget"
	// Busy: another run held a replica.
	Busy Reason = "busy"
	// Guard: the heartbeat of the probe's guard was over its limit.
	Guard Reason = "guard"
	// Paused: the probe was paused.
	Paused Reason = "paused"
	// Missed: the daemon was down, or its machine asleep.
	Missed Reason = "missed"
	// Overran: the probe's own run was under way.
	Overran Reason = "overran"
)

// Reasons lists all reasons.
func Reasons() []Reason { return []Reason{Blackout, Budget, Busy, Guard, Paused, Missed, Overran} }
