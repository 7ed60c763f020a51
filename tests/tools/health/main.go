// Runs a health script of Argo CD on objects, with Argo CD's interpreter and its few libraries.
package main

import (
	"encoding/json"
	"log"
	"os"

	lua "github.com/yuin/gopher-lua"
)

type input struct {
	Script  string `json:"script"`
	Objects []any  `json:"objects"`
}

type verdict struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

func main() {
	log.SetFlags(0)
	var given input
	check(json.NewDecoder(os.Stdin).Decode(&given))
	verdicts := []verdict{}
	for _, object := range given.Objects {
		verdicts = append(verdicts, judge(given.Script, object))
	}
	check(json.NewEncoder(os.Stdout).Encode(verdicts))
}

func judge(script string, object any) verdict {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, open := range []lua.LGFunction{lua.OpenBase, lua.OpenTable, lua.OpenString} {
		state.Push(state.NewFunction(open))
		state.Call(0, 0)
	}
	state.SetGlobal("obj", value(state, object))
	check(state.DoString(script))
	answer, is := state.Get(-1).(*lua.LTable)
	if !is {
		log.Fatal("the script returned no table")
	}
	return verdict{lua.LVAsString(answer.RawGetString("status")), lua.LVAsString(answer.RawGetString("message"))}
}

func value(state *lua.LState, from any) lua.LValue {
	switch from := from.(type) {
	case bool:
		return lua.LBool(from)
	case float64:
		return lua.LNumber(from)
	case string:
		return lua.LString(from)
	case []any:
		table := state.NewTable()
		for _, item := range from {
			table.Append(value(state, item))
		}
		return table
	case map[string]any:
		table := state.NewTable()
		for key, item := range from {
			table.RawSetString(key, value(state, item))
		}
		return table
	}
	return lua.LNil
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
