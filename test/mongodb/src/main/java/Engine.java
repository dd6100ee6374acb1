import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import io.netty.channel.Channel;
import java.net.InetSocketAddress;
import java.util.List;

/** Serves MongoDB's wire protocol from memory, on a free port of 127.0.0.1, which it prints; ends with its input. */
public final class Engine {
  private Engine() {}

  public static void main(String[] arguments) throws Exception {
    MongoServer server = new MongoServer(new StableApiBackend().version(new Version()));
    InetSocketAddress address = server.bind();
    System.out.println("port " + address.getPort());
    while (System.in.read() >= 0) {
      // Whoever started the engine holds its input open.
    }
    server.shutdownNow();
  }

  /** The least that the driver talks to. */
  private static final class Version implements MongoVersion {
    @Override
    public List<Integer> getVersionArray() {
      return List.of(6, 0, 0, 0);
    }

    @Override
    public int getWireVersion() {
      return 17;
    }
  }

  /** Knows what a driver sends that was told to use the stable API: `hello`, and commands with a version. */
  private static final class StableApiBackend extends MemoryBackend {
    @Override
    public Document handleCommand(Channel channel, String database, String command, Document query) {
      boolean isHello = command.equalsIgnoreCase("hello");
      Document answer = super.handleCommand(channel, database, isHello ? "isMaster" : command, query);
      return isHello ? answer.append("isWritablePrimary", true) : answer;
    }

    @Override
    public Document handleMessage(MongoMessage message) {
      Document body = message.getDocument();
      if (!body.keySet().iterator().next().equalsIgnoreCase("hello")) return super.handleMessage(message);
      return handleCommand(message.getChannel(), "admin", "hello", body);
    }
  }
}
