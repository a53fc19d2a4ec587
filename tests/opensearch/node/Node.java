import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.opensearch.Version;
import org.opensearch.common.logging.LogConfigurator;
import org.opensearch.common.logging.NodeAndClusterIdStateListener;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.http.HttpServerTransport;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.plugins.PluginInfo;
import org.opensearch.threadpool.ThreadPool;

/** One OpenSearch node with k-NN for tests, on any free port of 127.0.0.1: `Node FOLDER LOG4J2_PROPERTIES`. */
public final class Node extends org.opensearch.node.Node {
    private static final java.io.PrintStream OUT = System.out; // the logger takes System.out over

    private Node(Environment environment, Collection<PluginInfo> plugins) {
        super(environment, plugins, true);
    }

    @Override
    protected void configureNodeAndClusterIdStateListener(org.opensearch.cluster.service.ClusterService service) {
        var context = injector().getInstance(ThreadPool.class).getThreadContext();
        NodeAndClusterIdStateListener.getAndSetNodeIdAndClusterId(service, context);
    }

    /** A plug-in on the class path, and the plug-ins that it extends. */
    private static PluginInfo plugin(String name, String... extended) {
        return new PluginInfo(name, "", "NA", Version.CURRENT, "21", name, null, Arrays.asList(extended), false);
    }

    public static void main(String[] arguments) throws Exception {
        Thread.setDefaultUncaughtExceptionHandler((thread, error) -> {
            error.printStackTrace(OUT);
            if (error instanceof Error) Runtime.getRuntime().halt(1); // as the real launcher does
        });
        Path home = Path.of(arguments[0]).toAbsolutePath();
        for (String folder : List.of("config", "data", "logs", "modules", "plugins")) Files.createDirectories(home.resolve(folder));
        Files.writeString(home.resolve("config/opensearch.yml"), "");
        Files.copy(Path.of(arguments[1]), home.resolve("config/log4j2.properties"), StandardCopyOption.REPLACE_EXISTING);
        var settings = Settings.builder()
            .put("path.home", home.toString())
            .put("path.data", home.resolve("data").toString())
            .put("path.logs", home.resolve("logs").toString())
            .put("cluster.name", "catalens-tests")
            .put("node.name", "only")
            .put("discovery.type", "single-node")
            .put("network.host", "127.0.0.1")
            .put("http.port", "0")
            .put("transport.port", "0")
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .put("action.auto_create_index", false)
            .build();
        String painless = "org.opensearch.painless.PainlessModulePlugin";
        var plugins = new ArrayList<PluginInfo>(List.of(
            plugin("org.opensearch.transport.Netty4ModulePlugin"),
            plugin("org.opensearch.analysis.common.CommonAnalysisModulePlugin"),
            plugin(painless),
            plugin("org.opensearch.index.reindex.ReindexModulePlugin"),
            plugin("org.opensearch.index.mapper.MapperExtrasModulePlugin"),
            plugin("org.opensearch.knn.plugin.KNNPlugin", painless)));
        var environment = InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), home.resolve("config"), () -> "only");
        LogConfigurator.registerErrorListener();
        LogConfigurator.configure(environment);
        Node node = new Node(environment, plugins);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
                node.awaitClose(10, TimeUnit.SECONDS);
            } catch (Exception error) {
                error.printStackTrace(OUT);
            }
        }));
        node.start();
        OUT.println("NODE READY " + node.injector().getInstance(HttpServerTransport.class).boundAddress().publishAddress());
        Thread.currentThread().join();
    }
}
