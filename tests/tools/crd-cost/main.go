// The API server's own estimate of the cost of the CEL rules of a CustomResourceDefinition. The API
// server prints it only if a limit is exceeded.
package main

import (
	"cmp"
	"encoding/json"
	"log"
	"math"
	"os"
	"slices"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	v1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

type rule struct {
	Path string `json:"path"`
	Rule string `json:"rule"`
	Cost uint64 `json:"cost"`
}

type report struct {
	Total     uint64 `json:"total"`
	Limit     uint64 `json:"limit"`
	RuleLimit uint64 `json:"ruleLimit"`
	Rules     []rule `json:"rules"`
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: crd-cost FILE")
	}
	text, err := os.ReadFile(os.Args[1])
	check(err)
	var external v1.CustomResourceDefinition
	check(yaml.UnmarshalStrict(text, &external))
	var crd apiextensions.CustomResourceDefinition
	check(v1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(&external, &crd, nil))

	told := report{Limit: validation.StaticEstimatedCRDCostLimit, RuleLimit: validation.StaticEstimatedCostLimit}
	// A CRD of one version has its schema at the top level after conversion.
	schemas := []*apiextensions.CustomResourceValidation{crd.Spec.Validation}
	for _, version := range crd.Spec.Versions {
		schemas = append(schemas, version.Schema)
	}
	for _, schema := range schemas {
		if schema != nil && schema.OpenAPIV3Schema != nil {
			root := schema.OpenAPIV3Schema
			told.walk(root, nil, validation.RootCELContext(root))
		}
	}
	slices.SortStableFunc(told.Rules, func(a, b rule) int { return cmp.Compare(b.Cost, a.Cost) })
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	check(encoder.Encode(told))
}

// walk visits every place where the API server's own validation looks for rules: properties, values
// of maps, items of lists.
func (told *report) walk(schema *apiextensions.JSONSchemaProps, path *field.Path, context *validation.CELSchemaContext) {
	for name, property := range schema.Properties {
		told.walk(&property, path.Child(name), context.ChildPropertyContext(&property, name))
	}
	if more := schema.AdditionalProperties; more != nil && more.Schema != nil {
		told.walk(more.Schema, path.Key("*"), context.ChildAdditionalPropertiesContext(more.Schema))
	}
	if schema.Items != nil && schema.Items.Schema != nil {
		told.walk(schema.Items.Schema, path.Key(""), context.ChildItemsContext(schema.Items.Schema))
	}
	if len(schema.XValidations) == 0 {
		return
	}
	info, err := context.TypeInfo()
	check(err)
	results, err := cel.Compile(info.Schema, info.DeclType, celconfig.PerCallLimit, environmentSet(), cel.NewExpressionsEnvLoader())
	check(err)
	for number, result := range results {
		text := schema.XValidations[number].Rule
		if result.Error != nil {
			log.Fatalf("%s: %s: %s", path, text, result.Error.Detail)
		}
		times := result.MaxCardinality
		if context.MaxCardinality != nil {
			times = *context.MaxCardinality
		}
		told.observe(rule{path.String(), text, multiply(result.MaxCost, times)})
		if result.MessageExpression != nil {
			told.observe(rule{path.String(), schema.XValidations[number].MessageExpression, result.MessageExpressionMaxCost})
		}
	}
}

func (told *report) observe(seen rule) {
	told.Rules = append(told.Rules, seen)
	if told.Total += seen.Cost; told.Total < seen.Cost {
		told.Total = math.MaxUint64
	}
}

func multiply(cost, times uint64) uint64 {
	if cost != 0 && times > math.MaxUint64/cost {
		return math.MaxUint64
	}
	return cost * times
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
