//go:build oldest

package main

import "k8s.io/apiserver/pkg/cel/environment"

func environmentSet() *environment.EnvSet {
	return environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion(), true)
}
