package compare

// ReasonCode says why nothing is known of a figure's error, or why a cell is
// undetermined.
type ReasonCode string

// The codes.
const (
	// NoRequest: a step had not one such request, of which there is no ratio.
	NoRequest ReasonCode = "no_request"
	// NotInBase and OnlyInBase: only one side has such a figure.
	NotInBase  ReasonCode = "not_in_base"
	OnlyInBase ReasonCode = "only_in_base"
	// DrainCounted: one side's throughput counts the drain, the other's does not.
	DrainCounted ReasonCode = "drain_counted"
	// LoadDiffered: a side is saturated, so that latencies grow for as long as the load
	// lasts, which differed.
	LoadDiffered ReasonCode = "load_differed"
	// RequestsCut: so many requests were cut at the drain limit.
	RequestsCut ReasonCode = "requests_cut"
	// NotRecorded and NotInFile: there is one step or run of each, and nothing in its
	// record or file tells chance.
	NotRecorded ReasonCode = "not_recorded"
	NotInFile   ReasonCode = "not_in_file"
	// RateNotHeld: another tool was to send requests at a rate, and sent them at another.
	RateNotHeld ReasonCode = "rate_not_held"
	// FewRequests and FewAbove: there is one step of each, with too few requests, or too
	// few of them, or within too few moments, above a quantile.
	FewRequests ReasonCode = "few_requests"
	FewAbove    ReasonCode = "few_above"
	// Rose and Fell: there is one step of each, through whose window the figure did that.
	Rose ReasonCode = "rose"
	Fell ReasonCode = "fell"
	// TooVaried: chance does so much that not even so many steps of each would tell.
	TooVaried ReasonCode = "too_varied"
	// OneOfMany: one of so many cells may look like that by chance.
	OneOfMany ReasonCode = "one_of_many"
	// Chance may do as much, and more than the effect is not excluded.
	Chance ReasonCode = "chance"

	// OneSearch: there is one run of each, and one search tells nothing of chance.
	OneSearch ReasonCode = "one_search"
	// SearchGivenUp and NoSearch: the search of a run was given up, with an error, or the
	// run ended before its search had found this, or had begun.
	SearchGivenUp ReasonCode = "search_given_up"
	NoSearch      ReasonCode = "no_search"
	// TooCoarse: the truth lies between two rates, repeats do not tell where, and it makes
	// the difference.
	TooCoarse ReasonCode = "too_coarse"
	// RunsTooVaried: chance does so much that not even so many runs of each would tell.
	RunsTooVaried ReasonCode = "runs_too_varied"
)

// ReasonCodes lists all codes.
func ReasonCodes() []ReasonCode {
	return []ReasonCode{
		NoRequest, NotInBase, OnlyInBase, DrainCounted, LoadDiffered, RequestsCut, NotRecorded, NotInFile, RateNotHeld,
		FewRequests, FewAbove, Rose, Fell, TooVaried, OneOfMany, Chance, OneSearch, SearchGivenUp, NoSearch, TooCoarse, RunsTooVaried,
	}
}

// Reason is a code with what it counts: the requests of RequestsCut, the steps of
// TooVaried, the runs of RunsTooVaried and the cells of OneOfMany. The zero value is no
// reason.
type Reason struct {
	Code  ReasonCode
	Count int
	// Rate and Actual, in requests per second, are of RateNotHeld.
	Rate, Actual float64
	// Run and Err are of SearchGivenUp, and Run of NoSearch and of RateNotHeld.
	Run, Err string
}
