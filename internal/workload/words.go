package workload

import (
	"math/rand/v2"
	"strings"
)

// words are short and common, so that the usual tokenizers have one token for
// each of them with the space before it.
var words = strings.Fields(`
	time year people way day man thing woman life child world school state family student group country
	problem hand part place case week company system program question work number night point home water
	room mother area money story fact month lot right study book eye job word business issue side kind head
	house service friend father power hour game line end member law car city name team minute idea body back
	parent face others level office door health person art war history party result change morning reason
	research girl guy moment air teacher force education foot boy age policy music market sense nation plan
	college interest death experience effect use class control field development role effort rate heart drug
	show leader light voice wife police mind price report decision son view relation town road arm difference
	value building action season society tax director position player record paper space ground form event
	official matter center couple site project base activity star table court oil situation cost industry
	figure street image phone data picture practice piece land product doctor wall worker news test movie
	north love support technology`)

// appendWords appends n words, each with the space that the next one needs.
func appendWords(b []byte, rng *rand.Rand, n int) []byte {
	for range n {
		b = append(b, words[rng.IntN(len(words))]...)
		b = append(b, ' ')
	}
	return b
}
