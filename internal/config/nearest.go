package config

import "slices"

// didYouMean names the allowed word nearest to the found one, if one is near.
func didYouMean(found string, allowed []string) string {
	if len(allowed) == 0 {
		return ""
	}
	nearest := slices.MinFunc(allowed, func(a, b string) int { return editDistance(found, a) - editDistance(found, b) })
	// What shares no letter with a short word is as near to it as to any other.
	if distance := editDistance(found, nearest); distance > max(2, len(nearest)/3) || distance >= len(nearest) {
		return ""
	}
	return ", did you mean " + show(nearest) + "?"
}

// editDistance is the least number of single bytes to put in, take out or
// replace (Levenshtein).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
