package config

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/dns"
	"github.com/prometheus/prometheus/discovery/file"
	"github.com/prometheus/prometheus/discovery/http"
	"github.com/prometheus/prometheus/discovery/kubernetes"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/relabel"
)

// Discovery is the ways in which a target's replicas are found: Prometheus's own,
// in Prometheus's own syntax.
type Discovery struct {
	StaticConfigs     []*targetgroup.Group   `yaml:"static_configs,omitempty"`
	FileConfigs       []*file.SDConfig       `yaml:"file_sd_configs,omitempty"`
	HTTPConfigs       []*http.SDConfig       `yaml:"http_sd_configs,omitempty"`
	DNSConfigs        []*dns.SDConfig        `yaml:"dns_sd_configs,omitempty"`
	KubernetesConfigs []*kubernetes.SDConfig `yaml:"kubernetes_sd_configs,omitempty"`
	// RelabelConfigs choose among what was found and make its addresses.
	RelabelConfigs []*relabel.Config `yaml:"relabel_configs,omitempty"`
}

// Ways are all the ways in which replicas are found.
func (d *Discovery) Ways() discovery.Configs {
	var all discovery.Configs
	if len(d.StaticConfigs) > 0 {
		var static discovery.StaticConfig
		for i, group := range d.StaticConfigs {
			named := *group
			named.Source = strconv.Itoa(i) // what tells the groups apart
			static = append(static, &named)
		}
		all = append(all, static)
	}
	for _, c := range d.FileConfigs {
		all = append(all, c)
	}
	for _, c := range d.HTTPConfigs {
		all = append(all, c)
	}
	for _, c := range d.DNSConfigs {
		all = append(all, c)
	}
	for _, c := range d.KubernetesConfigs {
		all = append(all, c)
	}
	return all
}

// IsDiscovered says whether the target's replicas are found by discovery, and are
// not in the configuration.
func (t *Target) IsDiscovered() bool { return len(t.Discovery.Ways()) > 0 }

func (k *checks) discovery(d *Discovery, path string) {
	for i, group := range d.StaticConfigs {
		at := item(path+".static_configs", i) + ".targets"
		k.need(len(group.Targets) > 0, at, "are none", "one or more addresses, such as 127.0.0.1:8000")
		for j, target := range group.Targets {
			if len(d.RelabelConfigs) == 0 { // which could make an address of anything
				k.address(string(target[model.AddressLabel]), item(at, j))
			}
		}
	}
	for i, c := range d.FileConfigs {
		k.refresh(c.RefreshInterval, item(path+".file_sd_configs", i))
	}
	for i, c := range d.HTTPConfigs {
		at := item(path+".http_sd_configs", i)
		k.refresh(c.RefreshInterval, at)
		// The URL is shown where the configuration is, and in Prometheus's log.
		u, err := url.Parse(c.URL)
		k.need(err == nil && u.User == nil, at+".url", "holds credentials", "basic_auth or authorization beside it for them")
	}
	for i, c := range d.DNSConfigs {
		k.refresh(c.RefreshInterval, item(path+".dns_sd_configs", i))
	}
	for i, c := range d.RelabelConfigs {
		if err := c.Validate(model.UTF8Validation); err != nil {
			k.need(false, item(path+".relabel_configs", i), err.Error(), foreignTypes[relabelType].allowed)
		}
	}
}

// refresh checks an interval that Prometheus's packages take for granted.
func (k *checks) refresh(interval model.Duration, path string) {
	k.need(interval > 0, path+".refresh_interval", time.Duration(interval).String(), "more than 0s")
}

// address checks an address that becomes a replica's as it stands.
func (k *checks) address(address, path string) {
	found, allowed := addressProblem("http", address)
	k.need(found == "", path, found, allowed)
}

// BaseURL is the base URL of the replica with a scheme and an address, which are
// Prometheus's labels __scheme__ and __address__.
func BaseURL(scheme, address string) (string, error) {
	if found, allowed := addressProblem(scheme, address); found != "" {
		return "", fmt.Errorf("%s; allowed: %s", found, allowed)
	}
	return scheme + "://" + address, nil
}

// addressProblem is what is wrong with a scheme and an address, and empty where
// nothing is. An address that may hold a secret is not repeated.
func addressProblem(scheme, address string) (found, allowed string) {
	if mayHoldSecret(address) || strings.ContainsAny(address, "/#") {
		return "is no address", "an address such as 127.0.0.1:8000, without scheme and path"
	}
	return replicaProblem(scheme + "://" + address)
}
