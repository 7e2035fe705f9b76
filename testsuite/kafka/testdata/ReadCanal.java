import com.alibaba.fastjson2.JSON;
import com.alibaba.fastjson2.JSONWriter;
import com.alibaba.otter.canal.protocol.FlatMessage;
import java.io.FileInputStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads what is in partition 0 of a topic as Canal's consumers do, with Canal's own class of messages: ReadCanal CLIENT-PROPERTIES TOPIC.
 * It prints a line for each message, and at the end one for each row of the tables that it has made of them.
 */
public final class ReadCanal {
  private static final Pattern RENAME = Pattern.compile("(?i)rename table `?(\\w+)`? to `?(\\w+)`?");

  private final Map<String, List<Map<String, String>>> tables = new TreeMap<>();

  public static void main(String[] args) throws Exception {
    Properties props = new Properties();
    try (FileInputStream in = new FileInputStream(args[0])) {
      props.load(in);
    }
    ReadCanal reader = new ReadCanal();
    try (KafkaConsumer<byte[], byte[]> consumer =
        new KafkaConsumer<>(props, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      TopicPartition partition = new TopicPartition(args[1], 0);
      consumer.assign(List.of(partition));
      consumer.seekToBeginning(List.of(partition));
      long end = consumer.endOffsets(List.of(partition)).get(partition);
      while (consumer.position(partition) < end) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
          FlatMessage message = JSON.parseObject(record.value(), FlatMessage.class);
          print("message", message);
          reader.apply(message);
        }
      }
    }
    reader.tables.forEach((table, rows) -> rows.forEach(row -> print(table, new TreeMap<>(row))));
  }

  private static void print(String what, Object value) {
    byte[] json = JSON.toJSONBytes(value, JSONWriter.Feature.WriteNulls);
    System.out.write((what + "\t").getBytes(java.nio.charset.StandardCharsets.UTF_8), 0, what.length() + 1);
    System.out.write(json, 0, json.length);
    System.out.write('\n');
    System.out.flush();
  }

  private void apply(FlatMessage m) {
    String table = m.getDatabase() + "." + m.getTable();
    if (m.getIsDdl()) {
      Matcher rename = RENAME.matcher(m.getSql());
      switch (m.getType()) {
        case "ERASE", "TRUNCATE" -> tables.remove(table);
        case "RENAME" -> {
          if (!rename.find()) {
            throw new IllegalStateException(m.getSql());
          }
          tables.put(m.getDatabase() + "." + rename.group(2), tables.remove(m.getDatabase() + "." + rename.group(1)));
        }
        default -> { }
      }
      return;
    }
    List<Map<String, String>> rows = tables.computeIfAbsent(table, name -> new ArrayList<>());
    for (int i = 0; m.getData() != null && i < m.getData().size(); i++) {
      Map<String, String> row = m.getData().get(i);
      switch (m.getType()) {
        case "INSERT" -> rows.add(row);
        case "UPDATE" -> {
          Map<String, String> old = new TreeMap<>(row);
          old.putAll(m.getOld().get(i));
          rows.set(find(rows, m.getPkNames(), old), row);
        }
        case "DELETE" -> rows.remove(find(rows, m.getPkNames(), row));
        default -> { }
      }
    }
  }

  /** The place of the row with the same primary key or, without one, the same values. */
  private static int find(List<Map<String, String>> rows, List<String> key, Map<String, String> wanted) {
    for (int i = 0; i < rows.size(); i++) {
      Map<String, String> row = rows.get(i);
      if (key == null || key.isEmpty() ? row.equals(wanted) : key.stream().allMatch(k -> wanted.get(k).equals(row.get(k)))) {
        return i;
      }
    }
    throw new IllegalStateException("no row " + key + " of " + wanted);
  }
}
