// The official Java client behind HTTP, so that tests can write and read with it: POST /produce or /consume with JSON.
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.protobuf.Duration;
import com.google.protobuf.util.JsonFormat;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.apache.pulsar.client.api.BatcherBuilder;
import org.apache.pulsar.client.api.CompressionType;
import org.apache.pulsar.client.api.Consumer;
import org.apache.pulsar.client.api.ConsumerBuilder;
import org.apache.pulsar.client.api.DeadLetterPolicy;
import org.apache.pulsar.client.api.HashingScheme;
import org.apache.pulsar.client.api.Message;
import org.apache.pulsar.client.api.MessageId;
import org.apache.pulsar.client.api.Producer;
import org.apache.pulsar.client.api.ProducerBuilder;
import org.apache.pulsar.client.api.PulsarClient;
import org.apache.pulsar.client.api.Schema;
import org.apache.pulsar.client.api.SubscriptionInitialPosition;
import org.apache.pulsar.client.api.SubscriptionType;
import org.apache.pulsar.client.api.TypedMessageBuilder;
import org.apache.pulsar.client.api.transaction.Transaction;
import org.apache.pulsar.client.impl.MessageImpl;

public class JavaClient {
    static final ObjectMapper json = new ObjectMapper().configure(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES, false);
    static final Map<String, PulsarClient> clients = new ConcurrentHashMap<>();

    public static void main(String[] args) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(Executors.newCachedThreadPool());
        server.createContext("/produce", exchange -> answer(exchange, JavaClient::produce));
        server.createContext("/consume", exchange -> answer(exchange, JavaClient::consume));
        server.start();
        System.out.println("listening on " + server.getAddress().getPort());
        // Whoever started this ends it by closing its input.
        while (System.in.read() >= 0) {
        }
        System.exit(0);
    }

    interface Operation {
        JsonNode run(JsonNode request) throws Exception;
    }

    static void answer(HttpExchange exchange, Operation operation) {
        try (exchange) {
            int status = 200;
            byte[] body;
            try {
                body = json.writeValueAsBytes(operation.run(json.readTree(exchange.getRequestBody())));
            } catch (Throwable error) {
                StringWriter text = new StringWriter();
                error.printStackTrace(new PrintWriter(text));
                status = 500;
                body = text.toString().getBytes(StandardCharsets.UTF_8);
            }
            exchange.sendResponseHeaders(status, body.length);
            exchange.getResponseBody().write(body);
        } catch (Exception error) {
            error.printStackTrace();
        }
    }

    static PulsarClient client(String serviceUrl) {
        return clients.computeIfAbsent(serviceUrl, url -> {
            try {
                return PulsarClient.builder().serviceUrl(url).enableTransaction(true).build();
            } catch (Exception error) {
                throw new IllegalStateException(error);
            }
        });
    }

    static Schema<?> schemaOf(String name) {
        switch (name) {
            case "string": return Schema.STRING;
            case "bool": return Schema.BOOL;
            case "int8": return Schema.INT8;
            case "int16": return Schema.INT16;
            case "int32": return Schema.INT32;
            case "int64": return Schema.INT64;
            case "float": return Schema.FLOAT;
            case "double": return Schema.DOUBLE;
            case "timestamp": return Schema.TIMESTAMP;
            case "date": return Schema.DATE;
            case "instant": return Schema.INSTANT;
            case "json": return Schema.JSON(Order.class);
            case "avro": return Schema.AVRO(Order.class);
            case "protobuf": return Schema.PROTOBUF_NATIVE(Duration.class);
            case "auto": return Schema.AUTO_CONSUME();
            default: return Schema.BYTES;
        }
    }

    static Object valueOf(String schema, JsonNode value) throws Exception {
        if (value == null || value.isNull()) return null;
        switch (schema) {
            case "string": return value.asText();
            case "bool": return value.asBoolean();
            case "int8": return (byte) value.asInt();
            case "int16": return (short) value.asInt();
            case "int32": return value.asInt();
            case "int64": return Long.parseLong(value.asText());
            case "float": return (float) value.asDouble();
            case "double": return value.asDouble();
            case "timestamp": return new java.sql.Timestamp(value.asLong());
            case "date": return new Date(value.asLong());
            case "instant": return Instant.parse(value.asText());
            case "json":
            case "avro": return json.treeToValue(value, Order.class);
            case "protobuf": {
                Duration.Builder builder = Duration.newBuilder();
                JsonFormat.parser().merge(value.toString(), builder);
                return builder.build();
            }
            default: return Base64.getDecoder().decode(value.asText());
        }
    }

    static JsonNode valueToJson(String schema, Object value) throws Exception {
        if (value == null) return json.nullNode();
        switch (schema) {
            case "bytes": return json.getNodeFactory().textNode(Base64.getEncoder().encodeToString((byte[]) value));
            case "int64": return json.getNodeFactory().textNode(value.toString());
            case "timestamp":
            case "date": return json.getNodeFactory().numberNode(((Date) value).getTime());
            case "instant": return json.getNodeFactory().textNode(value.toString());
            case "protobuf": return json.readTree(JsonFormat.printer().print((Duration) value));
            case "auto": return json.getNodeFactory().textNode(String.valueOf(((org.apache.pulsar.client.api.schema.GenericRecord) value).getNativeObject()));
            default: return json.valueToTree(value);
        }
    }

    static String text(JsonNode node, String field, String otherwise) {
        return node.hasNonNull(field) ? node.get(field).asText() : otherwise;
    }

    @SuppressWarnings("unchecked")
    static JsonNode produce(JsonNode request) throws Exception {
        String schema = text(request, "schema", "bytes");
        PulsarClient client = client(request.get("serviceUrl").asText());
        ProducerBuilder<Object> builder = ((ProducerBuilder<Object>) client.newProducer(schemaOf(schema)))
            .topic(request.get("topic").asText())
            .compressionType(CompressionType.valueOf(text(request, "compression", "NONE")))
            .enableBatching(request.path("batching").asBoolean(false))
            .hashingScheme(HashingScheme.valueOf(text(request, "hashing", "JavaStringHash")))
            .blockIfQueueFull(true);
        if (request.path("batching").asBoolean(false)) {
            builder.batchingMaxPublishDelay(1, TimeUnit.SECONDS).batchingMaxMessages(request.path("batchSize").asInt(1000)).batchingMaxBytes(0);
        }
        if (request.path("keyed").asBoolean(false)) builder.batcherBuilder(BatcherBuilder.KEY_BASED);
        if (request.path("chunking").asBoolean(false)) builder.enableChunking(true);
        if (request.hasNonNull("chunkBytes")) builder.chunkMaxMessageSize(request.get("chunkBytes").asInt());
        if (request.hasNonNull("name")) builder.producerName(request.get("name").asText());
        String outcome = text(request, "transaction", "");
        if (!outcome.isEmpty()) builder.sendTimeout(0, TimeUnit.SECONDS);
        Transaction transaction = outcome.isEmpty() ? null : client.newTransaction().withTransactionTimeout(1, TimeUnit.MINUTES).build().get();
        List<CompletableFuture<MessageId>> sent = new ArrayList<>();
        try (Producer<Object> producer = builder.create()) {
            for (JsonNode message : request.get("messages")) {
                TypedMessageBuilder<Object> one = transaction == null ? producer.newMessage() : producer.newMessage(transaction);
                one.value(valueOf(schema, message.get("value")));
                if (message.hasNonNull("key")) one.key(message.get("key").asText());
                if (message.hasNonNull("keyBase64")) one.keyBytes(Base64.getDecoder().decode(message.get("keyBase64").asText()));
                if (message.hasNonNull("orderingKeyBase64")) one.orderingKey(Base64.getDecoder().decode(message.get("orderingKeyBase64").asText()));
                if (message.hasNonNull("eventTimeMs")) one.eventTime(message.get("eventTimeMs").asLong());
                if (message.hasNonNull("sequenceId")) one.sequenceId(message.get("sequenceId").asLong());
                if (message.hasNonNull("deliverAfterMs")) one.deliverAfter(message.get("deliverAfterMs").asLong(), TimeUnit.MILLISECONDS);
                message.path("properties").fields().forEachRemaining(entry -> one.property(entry.getKey(), entry.getValue().asText()));
                sent.add(one.sendAsync());
            }
            producer.flush();
            ObjectNode result = json.createObjectNode();
            ArrayNode ids = result.putArray("ids");
            for (CompletableFuture<MessageId> id : sent) ids.add(id.get(30, TimeUnit.SECONDS).toString());
            if (transaction != null) (outcome.equals("commit") ? transaction.commit() : transaction.abort()).get();
            return result;
        }
    }

    @SuppressWarnings("unchecked")
    static JsonNode consume(JsonNode request) throws Exception {
        String schema = text(request, "schema", "bytes");
        ConsumerBuilder<Object> builder = ((ConsumerBuilder<Object>) client(request.get("serviceUrl").asText()).newConsumer(schemaOf(schema)))
            .topic(request.get("topic").asText())
            .subscriptionName(text(request, "subscription", "java"))
            .subscriptionType(SubscriptionType.valueOf(text(request, "type", "Exclusive")))
            .subscriptionInitialPosition(SubscriptionInitialPosition.Earliest);
        if (request.path("readCompacted").asBoolean(false)) builder.readCompacted(true);
        if (request.path("retry").asBoolean(false)) builder.enableRetry(true);
        if (request.hasNonNull("maxRedeliveries")) {
            builder.deadLetterPolicy(DeadLetterPolicy.builder().maxRedeliverCount(request.get("maxRedeliveries").asInt()).build())
                .negativeAckRedeliveryDelay(100, TimeUnit.MILLISECONDS);
        }
        String outcome = text(request, "outcome", "ack");
        ObjectNode result = json.createObjectNode();
        ArrayNode messages = result.putArray("messages");
        try (Consumer<Object> consumer = builder.subscribe()) {
            int count = request.get("count").asInt();
            int timeoutMs = request.get("timeoutMs").asInt();
            while (messages.size() < count) {
                Message<Object> message = consumer.receive(timeoutMs, TimeUnit.MILLISECONDS);
                if (message == null) break;
                messages.add(describe(schema, message));
                switch (outcome) {
                    case "nack": consumer.negativeAcknowledge(message); break;
                    case "later": consumer.reconsumeLater(message, 0, TimeUnit.SECONDS); break;
                    case "nothing": break;
                    default: consumer.acknowledge(message);
                }
            }
        }
        return result;
    }

    static ObjectNode describe(String schema, Message<Object> message) throws Exception {
        Base64.Encoder base64 = Base64.getEncoder();
        ObjectNode node = json.createObjectNode();
        node.put("id", message.getMessageId().toString());
        node.put("topic", message.getTopicName());
        byte[] data = message.getData();
        node.put("data", data == null ? null : base64.encodeToString(data));
        node.put("isNull", message.getValue() == null);
        node.set("value", valueToJson(schema, message.getValue()));
        node.put("hasKey", message.hasKey());
        node.put("key", message.hasKey() ? message.getKey() : null);
        node.put("keyIsNull", message instanceof MessageImpl && ((MessageImpl<?>) message).getMessageBuilder().isNullPartitionKey());
        node.put("keyIsBase64", message.hasBase64EncodedKey());
        node.put("keyBase64", message.hasKey() && message.getKeyBytes() != null ? base64.encodeToString(message.getKeyBytes()) : null);
        node.put("orderingKeyBase64", message.hasOrderingKey() ? base64.encodeToString(message.getOrderingKey()) : null);
        node.set("properties", json.valueToTree(message.getProperties()));
        node.put("eventTimeMs", message.getEventTime());
        node.put("sequenceId", message.getSequenceId());
        node.put("producerName", message.getProducerName());
        node.put("redeliveryCount", message.getRedeliveryCount());
        byte[] version = message.getSchemaVersion();
        node.put("schemaVersion", version == null ? null : base64.encodeToString(version));
        return node;
    }
}

class Order {
    public String id;
    public long total;
    public String note;
    public List<String> tags;
    public State state;
}

enum State {
    OPEN,
    PAID
}
