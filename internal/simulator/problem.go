package simulator

import (
	"encoding/json"
	"net/http"
)

// problem is a refusal in vLLM's form.
type problem struct {
	status  int
	message string
	kind    string
	param   string // empty where the refusal is about no one key
}

// vLLM's words for a body that is not of the right form and for a form that asks
// for what cannot be.
const (
	badForm    = "Bad Request"
	badRequest = "BadRequestError"
)

// json is the problem as an object with the one key "error".
func (p *problem) json() []byte {
	type body struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    int     `json:"code"`
	}
	b := body{Message: p.message, Type: p.kind, Code: p.status}
	if p.param != "" {
		b.Param = &p.param
	}
	return marshal(map[string]body{"error": b})
}

func (p *problem) write(w http.ResponseWriter) { writeJSON(w, p.status, p.json()) }

// detail writes the errors that vLLM's web framework answers by itself.
func detail(w http.ResponseWriter, status int) {
	writeJSON(w, status, marshal(map[string]string{"detail": http.StatusText(status)}))
}

func unauthorized(w http.ResponseWriter) {
	writeJSON(w, http.StatusUnauthorized, []byte(`{"error":"Unauthorized"}`))
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone; nobody is left to tell
}

// marshal is for values that always have a form in JSON.
func marshal(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic("simulator: " + err.Error())
	}
	return text
}
