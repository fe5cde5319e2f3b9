package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// A loop that does nothing but look at the clock sees each look after some 50 ns,
// unless its core was taken from it: what takes longer than stall is a stall.
const (
	stall       = 20 * time.Microsecond
	stallsTried = 2 * time.Second
)

// stalls say how much of the client's core the machine keeps for itself, or its
// host gives to others. No client can measure better than that.
type stalls struct {
	Total   time.Duration `json:"total"`
	Longest time.Duration `json:"longest"`
}

func (s stalls) String() string {
	return fmt.Sprintf("A loop that does nothing was stopped for %s%% of %v on the client's core, at the longest for %s ms.",
		number(100*s.Total.Seconds()/stallsTried.Seconds(), 1), stallsTried, number(s.Longest.Seconds()*1e3, 1))
}

func measureStalls(ctx context.Context) (s stalls, err error) {
	cmd, err := part(ctx, clientCore, "stalls", "")
	if err != nil {
		return s, err
	}
	_, err = outcome(cmd, &s)
	return s, err
}

// stallsPart is the process with the loop.
func stallsPart(string) error {
	var s stalls
	begin := time.Now()
	for last := begin; last.Sub(begin) < stallsTried; {
		at := time.Now()
		if gap := at.Sub(last); gap > stall {
			s.Total += gap
			s.Longest = max(s.Longest, gap)
		}
		last = at
	}
	return json.NewEncoder(os.Stdout).Encode(s)
}
