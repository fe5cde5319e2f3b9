package prober

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"vllm_prober/internal/workload"
)

// preflightLimit bounds what is asked of a replica before a run.
const preflightLimit = 10 * time.Second

// inspect asks every replica what it serves, so that a run against the wrong
// thing fails at once and with a reason, instead of as a thousand requests. Those
// whose engines are yet to be made are asked then.
func (p *Prober) inspect(ctx context.Context, result *RunResult, arms []*arm) error {
	var errs []error
	for _, a := range arms {
		if a.prepare == nil {
			errs = append(errs, p.examine(ctx, result, a))
		}
	}
	return errors.Join(errs...)
}

// examine asks an arm's replicas what they serve, and whether the workload fits.
func (p *Prober) examine(ctx context.Context, result *RunResult, a *arm) error {
	prompt, output, err := p.longest(result.ID)
	if err != nil {
		return err
	}
	model := ArmModel{Arm: a.Arm, Model: a.target.Model}
	if err := a.ask(ctx, a.replicas, &model); err != nil {
		a.model.Model = cmp.Or(a.model.Model, model.Model)
		return err
	}
	if err := model.takes(prompt, output); err != nil {
		return err
	}
	a.learn(result, model)
	return nil
}

// learn notes what the arm's replicas serve, perhaps anew.
func (a *arm) learn(result *RunResult, model ArmModel) {
	a.model = model
	if at := slices.IndexFunc(result.Models, func(m ArmModel) bool { return m.Arm == a.Arm }); at >= 0 {
		result.Models[at] = model
		return
	}
	result.Models = append(result.Models, model)
}

// longest are the most tokens that the workload may have in a prompt and in an
// answer.
func (p *Prober) longest(runID string) (prompt, output int, err error) {
	lengths, err := workload.New(p.probe.Workload, "", runID, 1) // lengths do not depend on the model's name
	if err != nil {
		return 0, 0, fmt.Errorf("preparing the workload of probe %q: %w", p.probe.Name, err)
	}
	prompt, output = lengths.MaxTokens()
	return prompt, output, nil
}

// takes says why the model does not take so many tokens, if it does not.
func (m *ArmModel) takes(prompt, output int) error {
	if m.MaxModelLen == 0 || prompt+output <= m.MaxModelLen {
		return nil
	}
	return fmt.Errorf("target %q: model %q takes max_model_len %d tokens, the workload may ask for %d + %d: "+
		"shorten prompt_tokens or output_tokens", m.Arm.Target, m.Model, m.MaxModelLen, prompt, output)
}

// servedModel is one entry of /v1/models.
type servedModel struct {
	ID          string `json:"id"`
	MaxModelLen int    `json:"max_model_len"`
}

// description is what a replica says of itself.
type description struct {
	models  []servedModel
	version string
	err     error
}

// ask asks replicas of the arm, at the same time, and adds to found what they say.
func (a *arm) ask(ctx context.Context, replicas []*url.URL, found *ArmModel) error {
	ctx, cancel := context.WithTimeout(ctx, preflightLimit)
	defer cancel()
	said := make([]description, len(replicas))
	var wait sync.WaitGroup
	for i, replica := range replicas {
		wait.Go(func() { said[i] = a.client.describe(ctx, replica) })
	}
	wait.Wait()

	var errs []error
	for i, replica := range replicas {
		if err := found.take(said[i], a.target.Model != ""); err != nil {
			errs = append(errs, fmt.Errorf("target %q: replica %s: %w", a.Target, ReplicaName(replica), err))
		}
		a.asked[ReplicaName(replica)] = true
	}
	slices.Sort(found.Versions)
	found.Versions = slices.Compact(found.Versions)
	return errors.Join(errs...)
}

// describe asks one replica. Its version is told where it can be had.
func (c *client) describe(ctx context.Context, replica *url.URL) (d description) {
	var list struct {
		Data []servedModel `json:"data"`
	}
	d.err = c.get(ctx, replica.JoinPath("/v1/models"), &list)
	d.models = list.Data
	var version struct {
		Version string `json:"version"`
	}
	if c.get(ctx, replica.JoinPath("/version"), &version) == nil {
		d.version = version.Version
	}
	return d
}

// take adds what one replica said. All replicas of an arm must serve the same
// model, the first that one of them lists unless it is named.
func (m *ArmModel) take(d description, named bool) error {
	if d.version != "" {
		m.Versions = append(m.Versions, d.version)
	}
	switch {
	case d.err != nil && named && isStatus(d.err, http.StatusNotFound):
		return nil // a gateway may not show the list; the model is known without it
	case d.err != nil:
		return d.err
	case len(d.models) == 0:
		return errors.New("/v1/models lists no model: is vLLM still loading it?")
	}
	if m.Model == "" {
		m.Model = d.models[0].ID
	}
	at := slices.IndexFunc(d.models, func(served servedModel) bool { return served.ID == m.Model })
	if at < 0 {
		return fmt.Errorf("serves %s and not model %q: set the target's model to one that all its replicas serve", names(d.models), m.Model)
	}
	if n := d.models[at].MaxModelLen; m.MaxModelLen == 0 || n < m.MaxModelLen {
		m.MaxModelLen = n
	}
	return nil
}

// statusError is an answer that is not 200.
type statusError struct {
	status int
	text   string
}

func (e *statusError) Error() string { return e.text }

func isStatus(err error, status int) bool {
	var s *statusError
	return errors.As(err, &s) && s.status == status
}

// get asks for JSON. Its errors say what to do, and hold no secret.
func (c *client) get(ctx context.Context, u *url.URL, into any) error {
	x := &exchange{client: c}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaderField: x.noteSecret})
	req := (&http.Request{Method: http.MethodGet, URL: u, Header: http.Header{"Accept": {"application/json"}}}).WithContext(ctx)
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("GET %s: no answer within %s: is the server hung, or the wrong address?", u.Path, preflightLimit)
		}
		return fmt.Errorf("GET %s: %s", u.Path, x.foreign(err.Error()))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return fmt.Errorf("GET %s: reading the answer: %s", u.Path, x.foreign(err.Error()))
	}
	if resp.StatusCode != http.StatusOK {
		text := fmt.Sprintf("GET %s: status %s: %s", u.Path, resp.Status, x.foreign(errorMessageOf(body)))
		switch resp.StatusCode {
		case http.StatusUnauthorized, http.StatusForbidden:
			text += " (vLLM's --api-key belongs into the target's http_client.authorization, or into the file of run --api-key-file)"
		case http.StatusNotFound:
			text += " (is this the base URL of a vLLM?)"
		}
		return &statusError{resp.StatusCode, text}
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("GET %s: the answer is not vLLM's: %w", u.Path, err)
	}
	return nil
}

func names(models []servedModel) string {
	quoted := make([]string, len(models))
	for i, m := range models {
		quoted[i] = fmt.Sprintf("%q", m.ID)
	}
	return strings.Join(quoted, ", ")
}
