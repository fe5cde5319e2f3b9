package replica

// What tests from outside hold the watch to.
const (
	BlindLimit   = blindLimit
	ReadingLimit = readingLimit
)
