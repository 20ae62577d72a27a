package org.elasticsearch.node;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicBoolean;
import org.elasticsearch.action.ActionListener;
import org.elasticsearch.action.support.PlainActionFuture;
import org.elasticsearch.common.bytes.BytesArray;
import org.elasticsearch.common.bytes.BytesReference;
import org.elasticsearch.common.bytes.ReleasableBytesReference;
import org.elasticsearch.common.network.NetworkService;
import org.elasticsearch.common.settings.ClusterSettings;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.http.AbstractHttpServerTransport;
import org.elasticsearch.http.HttpBody;
import org.elasticsearch.http.HttpChannel;
import org.elasticsearch.http.HttpRequest;
import org.elasticsearch.http.HttpResponse;
import org.elasticsearch.http.HttpServerChannel;
import org.elasticsearch.rest.ChunkedRestResponseBodyPart;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.telemetry.tracing.Tracer;
import org.elasticsearch.threadpool.ThreadPool;
import org.elasticsearch.transport.BytesRefRecycler;
import org.elasticsearch.xcontent.NamedXContentRegistry;

/** Elasticsearch's HTTP on the JDK's own small server: one thread a request, on loopback. */
final class LoopbackHttp extends AbstractHttpServerTransport {

    private static final int CHUNK = 64 * 1024;
    private HttpServer server;
    private ExecutorService threads;

    LoopbackHttp(
        Settings settings, NetworkService network, ThreadPool threadPool, NamedXContentRegistry contents,
        Dispatcher dispatcher, ClusterSettings clusterSettings, Tracer tracer
    ) {
        super(settings, network, BytesRefRecycler.NON_RECYCLING_INSTANCE, threadPool, contents, dispatcher, clusterSettings, tracer);
    }

    @Override
    protected void doStart() {
        bindServer();
    }

    @Override
    protected HttpServerChannel bind(InetSocketAddress address) throws IOException {
        server = HttpServer.create(address, 0);
        threads = Executors.newCachedThreadPool();
        server.setExecutor(threads);
        server.createContext("/", this::serve);
        server.start();
        return new Listening(server.getAddress());
    }

    @Override
    protected void stopInternal() {
        if (server != null) {
            server.stop(0);
            threads.shutdown();
        }
    }

    private void serve(HttpExchange exchange) throws IOException {
        Request request = new Request(exchange, new BytesArray(exchange.getRequestBody().readAllBytes()));
        Channel channel = new Channel(exchange);
        serverAcceptedChannel(channel);
        try (exchange) {
            incomingRequest(request, channel);
            Answered answered = channel.answers.take();
            try {
                write(exchange, answered.response());
                answered.listener().onResponse(null);
            } catch (IOException error) {
                answered.listener().onFailure(error);
            }
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
        } finally {
            channel.close();
        }
    }

    private void write(HttpExchange exchange, Response response) throws IOException {
        response.headers.forEach((name, values) -> {
            if (name.equalsIgnoreCase("content-length") == false) {
                exchange.getResponseHeaders().put(name, values);
            }
        });
        if (response.part == null) {
            boolean empty = response.content.length() == 0 || exchange.getRequestMethod().equals("HEAD");
            exchange.sendResponseHeaders(response.status, empty ? -1 : response.content.length());
            if (empty == false) {
                try (OutputStream body = exchange.getResponseBody()) {
                    response.content.writeTo(body);
                }
            }
            return;
        }
        exchange.sendResponseHeaders(response.status, 0);
        try (OutputStream body = exchange.getResponseBody()) {
            ChunkedRestResponseBodyPart part = response.part;
            while (true) {
                while (part.isPartComplete() == false) {
                    try (ReleasableBytesReference chunk = part.encodeChunk(CHUNK, recycler)) {
                        chunk.writeTo(body);
                    }
                }
                if (part.isLastPart()) {
                    return;
                }
                PlainActionFuture<ChunkedRestResponseBodyPart> next = new PlainActionFuture<>();
                part.getNextPart(next);
                part = next.actionGet();
            }
        }
    }

    private record Answered(Response response, ActionListener<Void> listener) {}

    private record Listening(InetSocketAddress address) implements HttpServerChannel {
        @Override
        public InetSocketAddress getLocalAddress() {
            return address;
        }

        @Override
        public void close() {}

        @Override
        public void addCloseListener(ActionListener<Void> listener) {
            listener.onResponse(null); // the server behind it is stopped as a whole
        }

        @Override
        public boolean isOpen() {
            return true;
        }
    }

    private static final class Channel implements HttpChannel {
        private final HttpExchange exchange;
        private final BlockingQueue<Answered> answers = new ArrayBlockingQueue<>(1);
        private final List<ActionListener<Void>> listeners = new ArrayList<>();
        private final AtomicBoolean open = new AtomicBoolean(true);

        Channel(HttpExchange exchange) {
            this.exchange = exchange;
        }

        @Override
        public void sendResponse(HttpResponse response, ActionListener<Void> listener) {
            answers.add(new Answered((Response) response, listener));
        }

        @Override
        public InetSocketAddress getLocalAddress() {
            return exchange.getLocalAddress();
        }

        @Override
        public InetSocketAddress getRemoteAddress() {
            return exchange.getRemoteAddress();
        }

        @Override
        public void close() {
            if (open.compareAndSet(true, false)) {
                synchronized (listeners) {
                    listeners.forEach(listener -> listener.onResponse(null));
                }
            }
        }

        @Override
        public void addCloseListener(ActionListener<Void> listener) {
            synchronized (listeners) {
                listeners.add(listener);
            }
        }

        @Override
        public boolean isOpen() {
            return open.get();
        }
    }

    private static final class Response implements HttpResponse {
        private final int status;
        private final BytesReference content;
        private final ChunkedRestResponseBodyPart part;
        private final Map<String, List<String>> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);

        Response(RestStatus status, BytesReference content, ChunkedRestResponseBodyPart part) {
            this.status = status.getStatus();
            this.content = content;
            this.part = part;
        }

        @Override
        public void addHeader(String name, String value) {
            headers.computeIfAbsent(name, key -> new ArrayList<>()).add(value);
        }

        @Override
        public boolean containsHeader(String name) {
            return headers.containsKey(name);
        }
    }

    private static final class Request implements HttpRequest {
        private final HttpExchange exchange;
        private final BytesReference content;
        private final Map<String, List<String>> headers = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);

        Request(HttpExchange exchange, BytesReference content) {
            this.exchange = exchange;
            this.content = content;
            headers.putAll(exchange.getRequestHeaders());
        }

        @Override
        public RestRequest.Method method() {
            return RestRequest.Method.valueOf(exchange.getRequestMethod());
        }

        @Override
        public String uri() {
            return exchange.getRequestURI().toString();
        }

        @Override
        public Map<String, List<String>> getHeaders() {
            return headers;
        }

        @Override
        public HttpBody body() {
            return HttpBody.fromBytesReference(content);
        }

        @Override
        public List<String> strictCookies() {
            return List.of();
        }

        @Override
        public HttpVersion protocolVersion() {
            return HttpVersion.HTTP_1_1;
        }

        @Override
        public HttpRequest removeHeader(String name) {
            headers.remove(name);
            return this;
        }

        @Override
        public HttpResponse createResponse(RestStatus status, BytesReference answer) {
            return new Response(status, answer, null);
        }

        @Override
        public HttpResponse createResponse(RestStatus status, ChunkedRestResponseBodyPart first) {
            return new Response(status, BytesArray.EMPTY, first);
        }

        @Override
        public Exception getInboundException() {
            return null;
        }

        @Override
        public void release() {}

        // Version 8 asks for it, version 9 knows it no more.
        public HttpRequest releaseAndCopy() {
            return this;
        }
    }
}
