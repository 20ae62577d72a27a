package org.elasticsearch.node;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.elasticsearch.Build;
import org.elasticsearch.client.internal.node.NodeClient;
import org.elasticsearch.cluster.metadata.IndexNameExpressionResolver;
import org.elasticsearch.cluster.node.DiscoveryNodes;
import org.elasticsearch.common.io.stream.NamedWriteableRegistry;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.network.NetworkService;
import org.elasticsearch.common.settings.ClusterSettings;
import org.elasticsearch.common.settings.IndexScopedSettings;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.common.settings.SettingsFilter;
import org.elasticsearch.common.util.BigArrays;
import org.elasticsearch.common.util.PageCacheRecycler;
import org.elasticsearch.common.util.concurrent.ThreadContext;
import org.elasticsearch.env.Environment;
import org.elasticsearch.features.NodeFeature;
import org.elasticsearch.http.HttpPreRequest;
import org.elasticsearch.http.HttpServerTransport;
import org.elasticsearch.indices.breaker.CircuitBreakerService;
import org.elasticsearch.plugins.ActionPlugin;
import org.elasticsearch.plugins.NetworkPlugin;
import org.elasticsearch.plugins.Plugin;
import org.elasticsearch.rest.RestChannel;
import org.elasticsearch.rest.RestController;
import org.elasticsearch.rest.RestHandler;
import org.elasticsearch.rest.RestRequest;
import org.elasticsearch.rest.RestResponse;
import org.elasticsearch.rest.RestStatus;
import org.elasticsearch.telemetry.tracing.Tracer;
import org.elasticsearch.threadpool.ThreadPool;
import org.elasticsearch.transport.Transport;
import org.elasticsearch.xcontent.NamedXContentRegistry;
import org.elasticsearch.xcontent.XContentBuilder;

/**
 * Elasticsearch's own server as a cluster of one node, from its published server jar.
 *
 * <p>The module that speaks HTTP and the one that speaks to other nodes are not published; {@link LoopbackHttp} and
 * {@link NoTransport} stand in their places. All that answers is Elasticsearch's.
 */
public final class SingleNode {

    private static final String CLUSTER = "synaptic-logs";

    private SingleNode() {}

    /** Starts the node and serves until the process is ended. Arguments: folder of the data, port. */
    public static void main(String[] arguments) throws Exception {
        LogConfigurator.configureESLogging();
        Path home = Path.of(arguments[0]).toAbsolutePath();
        Files.createDirectories(home.resolve("config"));
        Settings settings = Settings.builder()
            .put("path.home", home)
            .put("node.name", "single")
            .put("cluster.name", CLUSTER)
            .put("discovery.type", "single-node")
            .put("transport.type", "none")
            .put("http.type", "loopback")
            .put("http.host", "127.0.0.1")
            .put("http.port", arguments[1])
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .put("action.destructive_requires_name", false)
            .build();
        Environment environment = InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), home.resolve("config"), () -> "single");
        Node node = new Node(Construction.of(environment, new Doors())) {};
        Runtime.getRuntime().addShutdownHook(new Thread(() -> close(node)));
        node.start();
        Thread.currentThread().join();
    }

    private static void close(Node node) {
        try {
            node.close();
        } catch (Exception error) {
            System.err.println("closing failed: " + error);
        }
    }

    /** The plugin that brings both doors. */
    public static final class Doors extends Plugin implements ActionPlugin, NetworkPlugin {
        @Override
        public Map<String, Supplier<Transport>> getTransports(
            Settings settings, ThreadPool threadPool, PageCacheRecycler pages, CircuitBreakerService breakers,
            NamedWriteableRegistry registry, NetworkService network
        ) {
            return Map.of("none", NoTransport::new);
        }

        @Override
        public Map<String, Supplier<HttpServerTransport>> getHttpTransports(
            Settings settings, ThreadPool threadPool, BigArrays arrays, PageCacheRecycler pages,
            CircuitBreakerService breakers, NamedXContentRegistry contents, NetworkService network,
            HttpServerTransport.Dispatcher dispatcher, BiConsumer<HttpPreRequest, ThreadContext> context,
            ClusterSettings clusterSettings, Tracer tracer
        ) {
            return Map.of("loopback", () -> new LoopbackHttp(settings, network, threadPool, contents, dispatcher, clusterSettings, tracer));
        }

        @Override
        public Collection<RestHandler> getRestHandlers(
            Settings settings, NamedWriteableRegistry registry, RestController controller,
            ClusterSettings clusterSettings, IndexScopedSettings indexSettings, SettingsFilter filter,
            IndexNameExpressionResolver resolver, Supplier<DiscoveryNodes> nodes, Predicate<NodeFeature> features
        ) {
            return List.of(new Greeting());
        }
    }

    /** <code>GET /</code>, which clients ask for the version; the module that has it is not published either. */
    private static final class Greeting implements RestHandler {
        @Override
        public List<Route> routes() {
            return List.of(new Route(RestRequest.Method.GET, "/"), new Route(RestRequest.Method.HEAD, "/"));
        }

        @Override
        public void handleRequest(RestRequest request, RestChannel channel, NodeClient client) throws IOException {
            XContentBuilder answer = channel.newBuilder().startObject();
            answer.field("name", "single").field("cluster_name", CLUSTER).field("tagline", "You Know, for Search");
            answer.startObject("version").field("number", Build.current().qualifiedVersion());
            answer.field("build_flavor", Build.current().flavor()).endObject().endObject();
            channel.sendResponse(new RestResponse(RestStatus.OK, answer));
        }
    }
}
