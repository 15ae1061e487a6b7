// The official Go client, driven by lines of JSON on standard input: one round of producing or consuming a line, and a line
// with its figures as the answer. Ends with its input.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
	"github.com/apache/pulsar-client-go/pulsar/log"
)

// Round is what is to be done.
type Round struct {
	Do           string `json:"do"`
	ServiceURL   string `json:"serviceUrl"`
	Topic        string `json:"topic"`
	Subscription string `json:"subscription"`
	Shared       bool   `json:"shared"`
	Count        int    `json:"count"`
	Size         int    `json:"size"`
	Keyed        bool   `json:"keyed"`
	OneByOne     bool   `json:"oneByOne"`
}

// Figures are what came out.
type Figures struct {
	Seconds    float64 `json:"seconds"`
	CPUSeconds float64 `json:"cpuSeconds"`
	P50Ms      float64 `json:"p50Ms,omitempty"`
	P99Ms      float64 `json:"p99Ms,omitempty"`
	Error      string  `json:"error,omitempty"`
}

var client pulsar.Client

func cpu() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

func produce(round Round) error {
	options := pulsar.ProducerOptions{Topic: round.Topic, MaxPendingMessages: 5000, BatchingMaxMessages: 1000, BatchingMaxSize: 128 * 1024, BatchingMaxPublishDelay: time.Millisecond}
	if round.Keyed {
		options.BatcherBuilderType = pulsar.KeyBasedBatchBuilder
	}
	options.DisableBatching = round.OneByOne
	producer, err := client.CreateProducer(options)
	if err != nil {
		return err
	}
	defer producer.Close()
	payload := make([]byte, round.Size)
	for i := range payload {
		payload[i] = byte(i * 31)
	}
	begin()
	defer end()
	if round.OneByOne {
		taken := make([]float64, round.Count)
		for i := range taken {
			sent := time.Now()
			if _, err := producer.Send(context.Background(), &pulsar.ProducerMessage{Payload: payload}); err != nil {
				return err
			}
			taken[i] = time.Since(sent).Seconds() * 1000
		}
		mark()
		slices.Sort(taken)
		figures.P50Ms, figures.P99Ms = taken[round.Count/2], taken[round.Count*99/100]
		return nil
	}
	var left sync.WaitGroup
	var once sync.Once
	var failure error
	left.Add(round.Count)
	for i := 0; i < round.Count; i++ {
		message := &pulsar.ProducerMessage{Payload: payload}
		if round.Keyed {
			message.Key = "key-" + strconv.Itoa(i)
		}
		producer.SendAsync(context.Background(), message, func(_ pulsar.MessageID, _ *pulsar.ProducerMessage, err error) {
			if err != nil {
				once.Do(func() { failure = err })
			}
			left.Done()
		})
	}
	if err := producer.Flush(); err != nil {
		return err
	}
	left.Wait()
	return failure
}

func consume(round Round) error {
	kind := pulsar.Exclusive
	if round.Shared {
		kind = pulsar.Shared
	}
	begin()
	defer end()
	consumer, err := client.Subscribe(pulsar.ConsumerOptions{
		Topic: round.Topic, SubscriptionName: round.Subscription, Type: kind,
		SubscriptionInitialPosition: pulsar.SubscriptionPositionEarliest, ReceiverQueueSize: 1000,
	})
	if err != nil {
		return err
	}
	limit, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	bytes := 0
	for i := 0; i < round.Count; i++ {
		message, err := consumer.Receive(limit)
		if err != nil {
			return fmt.Errorf("after %d messages: %w", i, err)
		}
		bytes += len(message.Payload())
		if err := consumer.Ack(message); err != nil {
			return err
		}
	}
	mark()
	consumer.Close()
	if bytes != round.Count*round.Size {
		return fmt.Errorf("%d bytes in %d messages of %d", bytes, round.Count, round.Size)
	}
	return nil
}

var started time.Time
var startedCPU float64
var figures Figures

func begin() {
	figures = Figures{}
	started, startedCPU = time.Now(), cpu()
}

func mark() {
	figures = Figures{Seconds: time.Since(started).Seconds(), CPUSeconds: cpu() - startedCPU}
}

func end() {
	if figures.Seconds == 0 {
		mark()
	}
}

func run(round Round) error {
	if client == nil {
		quiet := log.NewLoggerWithSlog(slog.New(slog.NewTextHandler(io.Discard, nil)))
		made, err := pulsar.NewClient(pulsar.ClientOptions{URL: round.ServiceURL, Logger: quiet})
		if err != nil {
			return err
		}
		client = made
	}
	switch round.Do {
	case "produce":
		return produce(round)
	case "consume":
		return consume(round)
	}
	return fmt.Errorf("no %q", round.Do)
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	answers := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var round Round
		err := json.Unmarshal(lines.Bytes(), &round)
		if err == nil {
			err = run(round)
		}
		if err != nil {
			figures.Error = err.Error()
		}
		if err := answers.Encode(figures); err != nil {
			panic(err)
		}
	}
}
