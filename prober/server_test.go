package prober_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
)

type netConn = net.Conn

// asked is what a request asked for.
type asked struct {
	Model     string `json:"model"`
	Prompt    []int  `json:"prompt"`
	MaxTokens int    `json:"max_tokens"`
	CacheSalt string `json:"cache_salt"`
}

func decode(r *http.Request) asked {
	var q asked
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		panic(err)
	}
	_, _ = io.Copy(io.Discard, r.Body)
	return q
}

func models() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"data":[{"id":"m","max_model_len":4096}]}`)
	})
	return mux
}

func event(w http.ResponseWriter, data string) {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	fmt.Fprintf(w, "data: %s\n\n", data)
	_ = http.NewResponseController(w).Flush()
}

func tokenChunk(prompt, n int) string {
	return fmt.Sprintf(`{"choices":[{"index":0,"text":" x","finish_reason":null}],"usage":{"prompt_tokens":%d,"completion_tokens":%d}}`, prompt, n)
}

func usageChunk(prompt, n int) string {
	return fmt.Sprintf(`{"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d}}`, prompt, n)
}
