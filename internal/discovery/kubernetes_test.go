package discovery

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// cluster is as much of Kubernetes's API as tells of the one slice of endpoints of
// a service "vllm".
type cluster struct {
	mu      sync.Mutex
	version int
	slice   discoveryv1.EndpointSlice
	watches map[chan discoveryv1.EndpointSlice]bool
}

// endpoint is one of the slice's: an address, and whether it is ready.
type endpoint struct {
	address string
	ready   bool
}

// set puts endpoints in the place of those that there are.
func (c *cluster) set(endpoints ...endpoint) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.version++
	name, port := "http", int32(8000)
	c.slice = discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "llm", Name: "vllm-1", ResourceVersion: strconv.Itoa(c.version),
			Labels: map[string]string{"kubernetes.io/service-name": "vllm"},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &name, Port: &port}},
	}
	for _, e := range endpoints {
		c.slice.Endpoints = append(c.slice.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{e.address}, Conditions: discoveryv1.EndpointConditions{Ready: &e.ready},
		})
	}
	for w := range c.watches {
		w <- c.slice
	}
}

func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	const slices = "/apis/discovery.k8s.io/v1/namespaces/llm/endpointslices"
	watch := r.FormValue("watch") != ""
	switch {
	case r.URL.Path == slices && r.FormValue("labelSelector") != "kubernetes.io/service-name=vllm":
		http.Error(w, "the selector is missing", http.StatusBadRequest)
	case r.FormValue("sendInitialEvents") != "": // which older clusters do not know
		http.Error(w, "not supported", http.StatusUnprocessableEntity)
	case r.URL.Path == slices && watch:
		c.follow(w, r)
	case r.URL.Path == slices:
		c.mu.Lock()
		defer c.mu.Unlock()
		answer(w, discoveryv1.EndpointSliceList{
			TypeMeta: metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSliceList"},
			ListMeta: metav1.ListMeta{ResourceVersion: c.slice.ResourceVersion}, Items: []discoveryv1.EndpointSlice{c.slice},
		})
	case watch: // nothing ever comes
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	default:
		answer(w, corev1.ServiceList{
			TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: map[string]string{
				"/api/v1/namespaces/llm/services": "ServiceList", "/api/v1/namespaces/llm/pods": "PodList",
			}[r.URL.Path]},
			ListMeta: metav1.ListMeta{ResourceVersion: "1"},
		})
	}
}

func answer(w http.ResponseWriter, object any) {
	text, err := json.Marshal(object)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(text)
}

// follow tells of the slice whenever it changes.
func (c *cluster) follow(w http.ResponseWriter, r *http.Request) {
	changes := make(chan discoveryv1.EndpointSlice, 10)
	c.mu.Lock()
	if r.FormValue("resourceVersion") != c.slice.ResourceVersion {
		changes <- c.slice
	}
	c.watches[changes] = true
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.watches, changes)
	}()
	w.(http.Flusher).Flush()
	for {
		select {
		case slice := <-changes:
			slice.TypeMeta = metav1.TypeMeta{APIVersion: "discovery.k8s.io/v1", Kind: "EndpointSlice"}
			answer(w, map[string]any{"type": "MODIFIED", "object": slice})
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

// The example of docs/configuration.md: an endpoint is a replica while it is ready.
func TestKubernetesDiscovery(t *testing.T) {
	c := &cluster{watches: map[chan discoveryv1.EndpointSlice]bool{}}
	c.set(endpoint{"10.0.0.2", true}, endpoint{"10.0.0.1", true}, endpoint{"10.0.0.3", false})
	api := httptest.NewServer(c)
	t.Cleanup(api.Close)
	s := newSet(t, fmt.Sprintf(`
targets:
- name: t
  kubernetes_sd_configs:
  - role: endpointslice
    api_server: %q
    namespaces: {names: [llm]}
    selectors: [{role: endpointslice, label: kubernetes.io/service-name=vllm}]
  relabel_configs:
  - {source_labels: [__meta_kubernetes_endpointslice_port_name], regex: http, action: keep}
  - {source_labels: [__meta_kubernetes_endpointslice_endpoint_conditions_ready], regex: "true", action: keep}
`, api.URL))
	t.Cleanup(s.Stop) // before the server, which waits for those who watch
	s.has(t, "http://10.0.0.1:8000", "http://10.0.0.2:8000")
	c.set(endpoint{"10.0.0.2", true}, endpoint{"10.0.0.1", false}, endpoint{"10.0.0.3", true})
	s.has(t, "http://10.0.0.2:8000", "http://10.0.0.3:8000")
}
