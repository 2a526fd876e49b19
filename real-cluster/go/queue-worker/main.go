// Command queue-worker is the worker of `npm run bench:peers`, for every contender. It takes one message, works as long
// as the message says, and reports when it started and ended. With -queue it receives the message by itself and
// completes it, as the worker of a ScaledJob has to. Without, it reads the file in DISPATCHER_MESSAGE_FILE, and the
// message is settled elsewhere.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azservicebus"
)

// patience is how long a worker waits for a message. A ScaledJob starts more workers than there are messages.
const patience = 10 * time.Second

// order is the body of a message.
type order struct {
	ID string `json:"id"`
	// WorkMs is how long the work takes.
	WorkMs int `json:"workMs"`
	// ExitCode is how the work ends. With a code other than 0 the worker dies, and its message is not settled.
	ExitCode int `json:"exitCode"`
}

// report says what a worker did, in ms since 1970. Its ID is empty if there was no message.
type report struct {
	ID        string  `json:"id"`
	StartedAt float64 `json:"startedAt"`
	EndedAt   float64 `json:"endedAt"`
}

func main() {
	startedAt := now()
	to := flag.String("report", "", "the URL that takes the report")
	queue := flag.String("queue", "", "the queue to receive from, on the bus that SERVICE_BUS connects to")
	flag.Parse()
	done, err := work(*queue)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := send(*to, report{ID: done.ID, StartedAt: startedAt, EndedAt: now()}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if done.ExitCode != 0 {
		fmt.Fprintf(os.Stderr, "the work of %s can't be done\n", done.ID)
		os.Exit(done.ExitCode)
	}
}

func work(queue string) (order, error) {
	if queue != "" {
		return workOfQueue(queue)
	}
	body, err := os.ReadFile(os.Getenv("DISPATCHER_MESSAGE_FILE"))
	if err != nil {
		return order{}, err
	}
	return workOff(body)
}

// workOfQueue receives a message, does its work and completes it. It returns an empty order if no message came.
func workOfQueue(queue string) (order, error) {
	client, err := azservicebus.NewClientFromConnectionString(os.Getenv("SERVICE_BUS"), nil)
	if err != nil {
		return order{}, err
	}
	receiver, err := client.NewReceiverForQueue(queue, nil)
	if err != nil {
		return order{}, err
	}
	waiting, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	messages, err := receiver.ReceiveMessages(waiting, 1, nil)
	if errors.Is(err, context.DeadlineExceeded) {
		return order{}, nil
	}
	if err != nil {
		return order{}, err
	}
	done, err := workOff(messages[0].Body)
	if err != nil || done.ExitCode != 0 {
		return done, err
	}
	if err := receiver.CompleteMessage(context.Background(), messages[0], nil); err != nil {
		return order{}, err
	}
	return done, client.Close(context.Background())
}

func workOff(body []byte) (order, error) {
	var given order
	if err := json.Unmarshal(body, &given); err != nil {
		return order{}, err
	}
	time.Sleep(time.Duration(given.WorkMs) * time.Millisecond)
	return given, nil
}

func send(to string, done report) error {
	body, err := json.Marshal(done)
	if err != nil {
		return err
	}
	response, err := http.Post(to, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	return response.Body.Close()
}

func now() float64 {
	return float64(time.Now().UnixMicro()) / 1000
}
