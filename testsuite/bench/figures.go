package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// figure is one number of a table.
type figure struct {
	Table  string  `json:"table"`  // its heading
	Line   string  `json:"line"`   // the cells that name the line
	Column string  `json:"column"` // " ratio" after it: what is in parentheses
	Value  float64 `json:"value"`
}

// results are the figures of a run, one line of the file of -json.
type results struct {
	Time    time.Time `json:"time"`
	Load    string    `json:"load"` // load averages when it began, as /proc/loadavg has them
	Figures []figure  `json:"figures"`
}

// printed runs do, and gives the figures of the tables that it prints.
func printed(do func() error) ([]figure, error) {
	out := os.Stdout
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.MultiWriter(out, &text), r)
		copied <- err
	}()
	os.Stdout = w
	err = do()
	os.Stdout = out
	w.Close()
	if errCopy := <-copied; err == nil {
		err = errCopy
	}
	return figuresOf(text.String()), err
}

// naming are the columns that name a line beside the first.
var naming = []string{"connections", "statement", "message", "writers"}

// figuresOf reads the tables of a text in Markdown.
func figuresOf(text string) (list []figure) {
	var table string
	var head []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if title, ok := strings.CutPrefix(line, "### "); ok {
			table, head = title, nil
		}
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if number(cells[len(cells)-1]) == nil { // the last column is a number in every line but the head
			head = cells
			continue
		}
		if len(head) != len(cells) {
			continue
		}
		names := 1
		for names < len(head) && slices.Contains(naming, head[names]) {
			names++
		}
		for i := names; i < len(cells); i++ {
			for n, v := range number(cells[i]) {
				column := head[i]
				if n > 0 {
					column += " ratio"
				}
				list = append(list, figure{table, strings.Join(cells[:names], ", "), column, v})
			}
		}
	}
	return list
}

// number gives the number of a cell, and a second one that is in parentheses after it; nil: it is text.
func number(cell string) []float64 {
	first, second, two := strings.Cut(cell, " (")
	v, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return nil
	}
	list := []float64{v}
	if v, err := strconv.ParseFloat(strings.TrimSuffix(second, ")"), 64); two && err == nil {
		list = append(list, v)
	}
	return list
}

// loadNow is what else the machine does.
func loadNow() string {
	b, _ := os.ReadFile("/proc/loadavg") // elsewhere it stays unsaid
	return strings.TrimSpace(string(b))
}

// addResults adds a run to a file.
func addResults(name string, r results) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	if errClose := f.Close(); err == nil {
		err = errClose
	}
	return err
}

// readResults reads the runs of a file.
func readResults(name string) (list []results, err error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(text) {
		var r results
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("%s, line %d is no run of this bench: %w", name, len(list)+1, err)
		}
		list = append(list, r)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%s has no runs: make some with -json %s", name, name)
	}
	return list, nil
}
