package schedule

import (
	"sync"
	"time"

	"vllm_prober/internal/config"
)

// Amount is what requests cost.
type Amount struct {
	Requests int
	// Tokens are those of prompts and answers.
	Tokens int
}

// Plus is the sum of both.
func (a Amount) Plus(b Amount) Amount { return Amount{a.Requests + b.Requests, a.Tokens + b.Tokens} }

// Account is what a probe has spent of its budget on the present day. It is safe
// for use by several goroutines.
type Account struct {
	budget config.Budget
	zone   *time.Location

	mu    sync.Mutex
	day   time.Time // when it began
	spent Amount
}

// NewAccount opens an account for a schedule.
func NewAccount(cfg config.Schedule) (*Account, error) {
	zone, err := config.Location(cfg.TimeZone)
	return &Account{budget: cfg.Budget, zone: zone}, err
}

// Spend notes what was spent at a time.
func (a *Account) Spend(at time.Time, cost Amount) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.turn(at)
	a.spent = a.spent.Plus(cost)
}

// Affords says whether the budget of the day bears a cost at a time.
func (a *Account) Affords(at time.Time, cost Amount) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.turn(at)
	fits := func(limit, spent, cost int) bool { return limit == 0 || spent+cost <= limit }
	return fits(a.budget.RequestsPerDay, a.spent.Requests, cost.Requests) &&
		fits(a.budget.TokensPerDay, a.spent.Tokens, cost.Tokens)
}

// Spent is what was spent on the day of a time.
func (a *Account) Spent(at time.Time) Amount {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.turn(at)
	return a.spent
}

// turn begins a new day where at lies in one.
func (a *Account) turn(at time.Time) {
	if day := a.midnight(at, 0); day.After(a.day) {
		a.day, a.spent = day, Amount{}
	}
}

// Today is when the day of at began.
func (a *Account) Today(at time.Time) time.Time { return a.midnight(at, 0) }

// Renewed is when the day after that of at begins.
func (a *Account) Renewed(at time.Time) time.Time { return a.midnight(at, 1) }

func (a *Account) midnight(at time.Time, later int) time.Time {
	year, month, day := at.In(a.zone).Date()
	return time.Date(year, month, day+later, 0, 0, 0, 0, a.zone)
}
