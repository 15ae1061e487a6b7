// The official Java client, driven by lines of JSON on standard input as ../go-pulsar/main.go is. Ends with its input.
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.management.OperatingSystemMXBean;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.logging.LogManager;
import org.apache.pulsar.client.api.BatcherBuilder;
import org.apache.pulsar.client.api.Consumer;
import org.apache.pulsar.client.api.Message;
import org.apache.pulsar.client.api.Producer;
import org.apache.pulsar.client.api.ProducerBuilder;
import org.apache.pulsar.client.api.PulsarClient;
import org.apache.pulsar.client.api.SubscriptionInitialPosition;
import org.apache.pulsar.client.api.SubscriptionType;
import org.apache.pulsar.client.api.TypedMessageBuilder;

public class Rounds {
    static final ObjectMapper json = new ObjectMapper();
    static final OperatingSystemMXBean system = ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class);
    static PulsarClient client;
    static long started;
    static long startedCpu;

    public static void main(String[] args) throws Exception {
        // A library of the client says by this way what nobody asked for.
        LogManager.getLogManager().reset();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            ObjectNode figures;
            try {
                JsonNode round = json.readTree(line);
                if (client == null) client = PulsarClient.builder().serviceUrl(round.get("serviceUrl").asText()).build();
                figures = round.get("do").asText().equals("produce") ? produce(round) : consume(round);
            } catch (Exception error) {
                figures = json.createObjectNode().put("error", error.toString());
            }
            System.out.println(json.writeValueAsString(figures));
        }
        System.exit(0);
    }

    static void begin() {
        started = System.nanoTime();
        startedCpu = system.getProcessCpuTime();
    }

    static ObjectNode end() {
        double cpuSeconds = (system.getProcessCpuTime() - startedCpu) / 1e9;
        return json.createObjectNode().put("seconds", (System.nanoTime() - started) / 1e9).put("cpuSeconds", cpuSeconds);
    }

    static ObjectNode produce(JsonNode round) throws Exception {
        int count = round.get("count").asInt();
        boolean keyed = round.path("keyed").asBoolean();
        boolean oneByOne = round.path("oneByOne").asBoolean();
        byte[] payload = new byte[round.get("size").asInt()];
        for (int i = 0; i < payload.length; i++) payload[i] = (byte) (i * 31);
        ProducerBuilder<byte[]> builder = client.newProducer()
            .topic(round.get("topic").asText())
            .maxPendingMessages(5000)
            .blockIfQueueFull(true)
            .enableBatching(!oneByOne);
        if (!oneByOne) builder.batchingMaxMessages(1000).batchingMaxBytes(128 * 1024).batchingMaxPublishDelay(1, TimeUnit.MILLISECONDS);
        if (keyed) builder.batcherBuilder(BatcherBuilder.KEY_BASED);
        try (Producer<byte[]> producer = builder.create()) {
            begin();
            if (oneByOne) {
                long[] nanos = new long[count];
                for (int i = 0; i < count; i++) {
                    long sent = System.nanoTime();
                    producer.send(payload);
                    nanos[i] = System.nanoTime() - sent;
                }
                ObjectNode figures = end();
                Arrays.sort(nanos);
                return figures.put("p50Ms", nanos[count / 2] / 1e6).put("p99Ms", nanos[count * 99 / 100] / 1e6);
            }
            CountDownLatch left = new CountDownLatch(count);
            AtomicReference<Throwable> failure = new AtomicReference<>();
            for (int i = 0; i < count; i++) {
                TypedMessageBuilder<byte[]> message = producer.newMessage().value(payload);
                if (keyed) message.key("key-" + i);
                message.sendAsync().whenComplete((id, error) -> {
                    if (error != null) failure.set(error);
                    left.countDown();
                });
            }
            left.await();
            ObjectNode figures = end();
            if (failure.get() != null) throw new IllegalStateException(failure.get());
            return figures;
        }
    }

    static ObjectNode consume(JsonNode round) throws Exception {
        int count = round.get("count").asInt();
        long bytes = 0;
        begin();
        try (Consumer<byte[]> consumer = client.newConsumer()
                .topic(round.get("topic").asText())
                .subscriptionName(round.get("subscription").asText())
                .subscriptionType(round.path("shared").asBoolean() ? SubscriptionType.Shared : SubscriptionType.Exclusive)
                .subscriptionInitialPosition(SubscriptionInitialPosition.Earliest)
                .receiverQueueSize(1000)
                .subscribe()) {
            for (int i = 0; i < count; i++) {
                Message<byte[]> message = consumer.receive(1, TimeUnit.MINUTES);
                if (message == null) throw new IllegalStateException("nothing more after " + i + " messages");
                bytes += message.getData().length;
                consumer.acknowledgeAsync(message);
            }
            ObjectNode figures = end();
            if (bytes != count * round.get("size").asLong()) throw new IllegalStateException(bytes + " bytes in " + count + " messages");
            return figures;
        }
    }
}
