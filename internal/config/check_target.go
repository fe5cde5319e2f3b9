package config

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var labelForm = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

func (k *checks) target(t *Target, path string) {
	discovered := t.IsDiscovered()
	k.need(len(t.Replicas) > 0 || discovered, path+".replicas", "are none",
		"one or more base URLs, such as http://127.0.0.1:8000, or a way to discover them, such as dns_sd_configs")
	k.need(len(t.Replicas) == 0 || !discovered, path+".replicas", "stand beside ways to discover them", "one of the two")
	k.need(len(t.Discovery.RelabelConfigs) == 0 || discovered, path+".relabel_configs", "have nothing to relabel",
		"beside static_configs, file_sd_configs and the like")
	k.discovery(&t.Discovery, path)
	seen := map[string]bool{}
	for i, replica := range t.Replicas {
		replica = strings.TrimRight(replica, "/")
		t.Replicas[i] = replica
		at := item(path+".replicas", i)
		if k.replica(replica, at) {
			k.need(!seen[replica], at, "stands there twice", "each replica once")
			seen[replica] = true
		}
	}
	k.oneLine(t.Model, path+".model")
	k.need(t.GPUsPerReplica >= 1, path+".gpus_per_replica", strconv.Itoa(t.GPUsPerReplica), "1 or more")
	k.gpus(t, path+".gpu_uuids")
	k.need(t.BatchSize >= 0, path+".batch_size", strconv.Itoa(t.BatchSize), "the deployment's --max-num-seqs, 1 or more")
	k.oneOf(string(t.Balance), path+".balance", string(RoundRobin), string(LeastInFlight))
	for _, name := range slices.Sorted(maps.Keys(t.Labels)) {
		ok := labelForm.MatchString(name) && !strings.HasPrefix(name, "__") && name != "target" && name != "model"
		at := join(path+".labels", name)
		k.need(ok, at, "cannot be a label", "letters, digits and _, but not target, model, or a beginning of __")
		k.oneLine(t.Labels[name], at)
	}
	if err := t.HTTPClient.Validate(); err != nil {
		k.need(false, path+".http_client", err.Error(), httpClientAllowed)
	}
}

var gpuForm = regexp.MustCompile(`^(GPU|MIG)-[0-9a-zA-Z/-]+$`)

func (k *checks) gpus(t *Target, path string) {
	k.need(len(t.GPUUUIDs) <= len(t.Replicas), path, strconv.Itoa(len(t.GPUUUIDs))+" lists", "one for each replica, in their order")
	for i, uuids := range t.GPUUUIDs {
		for j, uuid := range uuids {
			at := item(item(path, i), j)
			k.need(gpuForm.MatchString(uuid), at, show(uuid), "a GPU's UUID as nvidia-smi -L shows it, GPU-… or MIG-…")
			k.need(!slices.Contains(uuids[:j], uuid), at, "stands there twice", "each GPU of a replica once")
		}
	}
}

// mayHoldSecret says whether a text, as a URL, has room for a password or a key.
func mayHoldSecret(text string) bool { return strings.ContainsAny(text, "@?") }

// replica checks a base URL. One that may hold a secret is not repeated.
func (k *checks) replica(replica, path string) bool {
	found, allowed := replicaProblem(replica)
	return k.need(found == "", path, found, allowed)
}

// replicaProblem is what is wrong with a base URL, and empty where nothing is.
func replicaProblem(replica string) (found, allowed string) {
	allowed = "a base URL such as http://127.0.0.1:8000 or https://llm.example.org/prefix"
	u, err := url.Parse(replica)
	switch {
	case strings.Contains(replica, "@"):
		return "holds credentials", "http_client.basic_auth or http_client.authorization for them"
	case err != nil:
		return "is no URL", allowed
	case mayHoldSecret(replica), strings.Contains(replica, "#"):
		return "has more than a path", allowed
	case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
		return show(replica), allowed
	case !isPort(u.Port()):
		return show(replica) + " has no possible port", allowed
	case strings.HasSuffix(u.Path, "/v1"):
		return show(replica) + " ends in /v1", "the URL without /v1, which the prober adds"
	}
	return "", allowed
}

// isPort says whether a URL's port, which may be left out, can be connected to.
func isPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil && n > 0
}
